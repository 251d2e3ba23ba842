"""Rows to what is stored: checked first, stamped with the latest version, and nothing of others lost by an update."""

from datetime import date

import pytest
from pydantic import BaseModel, Field

from strongroom.errors import InvalidInput, LimitExceeded
from strongroom.plugin import TableDefinition
from strongroom.workspace.json_value import ENTRY_KEY_BYTES_MAX, VALUE_BYTES_MAX
from strongroom.workspace.row_schema import RowSchema
from tests.workspace.test_row_schema import DAYS, TAGS, Day, TagV3


def test_what_is_written_is_stamped_and_reads_back():
    day = Day(id="d", on=date(2026, 11, 22), hours=1.5)
    assert DAYS.stored(day) == ("d", {"id": "d", "on": "2026-11-22", "hours": 1.5, "count": 0, "_v": 1})
    assert DAYS.stored({"id": "d", "on": "2026-11-22", "_v": 77})[1]["_v"] == 1
    assert DAYS.read(*DAYS.stored(day)) == day


def test_a_model_with_other_names_outside_keeps_them_in_the_store():
    class Named(BaseModel):
        id: str
        is_done: bool = Field(alias="isDone")

    schema = RowSchema(TableDefinition("t", (Named,)))
    assert schema.members == ("id", "isDone")
    assert schema.stored(Named(id="a", isDone=True))[1] == {"id": "a", "isDone": True, "_v": 1}


@pytest.mark.parametrize(
    ("row", "place"),
    [
        pytest.param({"on": "2026-11-22"}, "id", id="no id"),
        pytest.param({"id": 5, "on": "2026-11-22"}, "id", id="id that is no text"),
        pytest.param({"id": "d", "on": "SECRET"}, "on (date_parsing)", id="wrong type"),
        pytest.param(Day.model_construct(id="d", on="SECRET"), "on (date_parsing)", id="a model never checked"),
    ],
)
def test_a_row_that_would_not_read_back_is_not_written(row, place):
    with pytest.raises(InvalidInput) as refused:
        DAYS.stored(row)
    assert refused.value.code == "SR-WS-053"
    assert place in str(refused.value)
    assert "SECRET" not in str(refused.value)


def test_limits_of_what_is_written_name_size_and_limit():
    with pytest.raises(LimitExceeded) as long_id:
        DAYS.stored({"id": "x" * (ENTRY_KEY_BYTES_MAX + 1), "on": "2026-11-22"})
    assert (long_id.value.code, long_id.value.details["size"]) == ("SR-WS-055", ENTRY_KEY_BYTES_MAX + 1)
    with pytest.raises(LimitExceeded) as big:
        TAGS.stored({"id": "t", "name": "x" * VALUE_BYTES_MAX, "color": "red"})
    assert (big.value.code, big.value.details["limit"]) == ("SR-WS-056", VALUE_BYTES_MAX)
    for row_id in ("", "\ud800"):
        with pytest.raises(InvalidInput) as none:
            DAYS.stored({"id": row_id, "on": "2026-11-22"})
        assert none.value.code == "SR-WS-054"


def test_an_update_keeps_members_that_a_newer_program_wrote():
    stored = {"name": "a", "color": "red", "weight": 1.0, "added": {"later": 1.0}, "_v": 3}
    row, written = TAGS.merged("t", stored, {"color": "blue", "id": "other"})
    assert row == TagV3(id="t", name="a", color="blue", weight=1)
    assert written == {"added": {"later": 1.0}, "id": "t", "name": "a", "color": "blue", "weight": 1, "_v": 3}


def test_an_update_of_an_old_row_writes_the_latest_version_without_what_migrate_left_out():
    _, written = TAGS.merged("t", {"name": "a", "old": 1.0, "_v": 1}, {"color": "blue"})
    assert written == {"id": "t", "name": "a", "color": "blue", "weight": 1, "_v": 3}
