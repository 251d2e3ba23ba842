"""Stored rows to rows and back: whatever stands there is a row or a reason, never an exception."""

import math
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, field_validator

from strongroom.errors import InvalidInput
from strongroom.plugin import TableDefinition
from strongroom.workspace.json_value import DEPTH_MAX, VALUE_BYTES_MAX
from strongroom.workspace.row_schema import FIELD_ERRORS_MAX, RowSchema
from strongroom.workspace.table_errors import MigrationFailed, RowError, UnknownVersion, ValidationFailed


class TagV1(BaseModel):
    id: str
    name: str


class TagV2(BaseModel):
    id: str
    name: str
    color: str


class TagV3(BaseModel):
    id: str
    name: str
    color: str
    weight: int = 0


def migrate(row, version):
    if version == 1:
        row, version = TagV2(id=row.id, name=row.name, color="grey"), 2
    return TagV3(id=row.id, name=row.name, color=row.color, weight=1)


TAGS = RowSchema(TableDefinition("tags", (TagV1, TagV2, TagV3), migrate))


class Day(BaseModel):
    id: str
    on: date
    hours: float = 0.0
    count: int = 0


DAYS = RowSchema(TableDefinition("days", (Day,)))


def only_error(found):
    assert isinstance(found, ValidationFailed)
    (error,) = found.errors
    return error.path, error.kind


@pytest.mark.parametrize(
    ("stored", "row"),
    [
        ({"id": "t", "name": "a", "_v": 1}, TagV3(id="t", name="a", color="grey", weight=1)),
        ({"id": "t", "name": "a", "color": "red", "_v": 2.0}, TagV3(id="t", name="a", color="red", weight=1)),
        (
            {"id": "t", "name": "a", "color": "red", "weight": 5.0, "_v": 3},
            TagV3(id="t", name="a", color="red", weight=5),
        ),
    ],
    ids=["from 1", "from 2, a float as documents give it", "the latest"],
)
def test_a_row_of_any_version_becomes_one_of_the_latest(stored, row):
    assert TAGS.read("t", stored) == row


def test_the_id_is_the_key_whatever_the_row_says():
    for stored in ({"id": "other", "name": "a", "_v": 1}, {"name": "a", "_v": 1}, {"id": 7, "name": "a", "_v": 1}):
        assert TAGS.read("t", stored).id == "t"


def test_the_id_is_the_key_also_where_migrate_makes_another():
    schema = RowSchema(TableDefinition("t", (TagV1, TagV2), lambda row, _: TagV2(id="other", name="x", color="y")))
    assert schema.read("t", {"name": "a", "_v": 1}).id == "t"


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        pytest.param(0, "0", id="zero"),
        pytest.param(4, "4", id="one more than there are"),
        pytest.param(-1, "-1", id="negative"),
        pytest.param(1.5, "1.5", id="between two"),
        pytest.param(True, "true", id="a truth value is no number"),
        pytest.param(None, "null", id="null"),
        pytest.param("1", "a text", id="text"),
        pytest.param({"a": 1}, "no number", id="an object"),
        pytest.param(10**30, "1e+30", id="huge"),
        pytest.param(1e30, "1e+30", id="huge, as a float"),
        pytest.param(10**400, "a number out of range", id="larger than floats"),
        pytest.param(math.inf, "a number out of range", id="infinite"),
        pytest.param(math.nan, "a number out of range", id="no number"),
    ],
)
def test_a_version_that_is_the_number_of_no_schema_is_a_value(version, shown):
    found = TAGS.read("t", {"id": "t", "name": "SECRET", "_v": version})
    assert isinstance(found, UnknownVersion)
    assert found.message == f"Row 't' has unknown _v value: {shown}"
    assert "SECRET" not in repr(found)


def test_a_row_without_version_says_undefined_as_upstream_does():
    assert TAGS.read("t", {"id": "t"}).message == "Row 't' has unknown _v value: undefined"


@pytest.mark.parametrize("stored", [None, 1.0, "text", ["a"], b"\0" * 50, True], ids=lambda value: type(value).__name__)
def test_what_is_no_object_is_no_row(stored):
    assert only_error(TAGS.read("t", stored)) == ("", "no_row")


def test_every_wrong_place_is_named_and_the_row_is_kept_for_who_asks():
    stored = {"name": 5.0, "weight": "SECRET", "_v": 3}
    found = TAGS.read("t", stored)
    assert isinstance(found, ValidationFailed)
    assert {each.path: each.kind for each in found.errors} == {
        "name": "string_type",
        "color": "missing",
        "weight": "int_type",
    }
    assert found.errors[0].message == "Input should be a valid string"
    assert found.row == stored
    assert "SECRET" not in repr(found) + found.message


def test_a_text_is_no_number_while_a_date_may_be_a_text():
    assert DAYS.read("d", {"on": "2026-11-22", "count": 3.0, "hours": 2.0, "_v": 1}) == Day(
        id="d", on=date(2026, 11, 22), count=3, hours=2.0
    )
    assert only_error(DAYS.read("d", {"on": "2026-11-22", "count": "3", "_v": 1})) == ("count", "int_type")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        pytest.param(math.nan, "not_json", id="NaN"),
        pytest.param(b"bytes", "not_json", id="bytes"),
        pytest.param({1: "a"}, "not_json", id="a name that is no text"),
        pytest.param("\ud800", "json_invalid", id="half a surrogate pair"),
        pytest.param("x" * VALUE_BYTES_MAX, "too_big", id="too big"),
        pytest.param(10**5000, "not_json", id="a number of 5000 digits"),
    ],
)
def test_what_json_cannot_carry_is_refused_by_kind(value, kind):
    assert only_error(TAGS.read("t", {"name": value, "color": "red", "_v": 3})) == ("", kind)


def test_a_row_that_is_nested_too_deep_is_refused():
    deep: Any = "x"
    for _ in range(DEPTH_MAX * 100):
        deep = [deep]
    assert only_error(TAGS.read("t", {"name": deep, "_v": 1})) == ("", "not_json")


def test_the_places_named_have_a_limit():
    class Many(BaseModel):
        id: str
        items: list[int]

    found = RowSchema(TableDefinition("m", (Many,))).read("m", {"items": ["x"] * 5000, "_v": 1})
    assert len(found.errors) == FIELD_ERRORS_MAX


def test_an_id_from_a_peer_has_a_limit_and_is_cut_where_it_is_shown():
    giant = "../" * 1000 + "\n\0"
    found = TAGS.read(giant, {"name": "a", "color": "red", "_v": 3})
    assert only_error(found) == ("id", "too_long")
    assert found.id == giant
    assert len(found.message) < 200
    assert "\n" not in TAGS.read("a\n", {}).message


def test_a_migration_that_fails_is_a_value_with_its_cause():
    def fail(row, version):
        raise KeyError("SECRET")

    schema = RowSchema(TableDefinition("t", (TagV1, TagV2), fail))
    found = schema.read("t", {"name": "a", "_v": 1})
    assert isinstance(found, MigrationFailed)
    assert isinstance(found.cause, KeyError)
    assert found.message == "Row 't' could not be migrated: KeyError"
    assert "SECRET" not in repr(found)


@pytest.mark.parametrize(
    "made", [None, 5, {"name": "a"}, TagV1(id="t", name="a")], ids=["nothing", "a number", "half", "the old one"]
)
def test_a_migration_that_makes_no_row_of_the_latest_schema_failed(made):
    schema = RowSchema(TableDefinition("t", (TagV1, TagV2), lambda row, version: made))
    assert isinstance(schema.read("t", {"name": "a", "_v": 1}), MigrationFailed)


def test_a_validator_that_breaks_loses_its_row_and_no_other():
    class Picky(BaseModel):
        id: str

        @field_validator("id")
        @classmethod
        def check(cls, value):
            return {"good": value}[value]

    schema = RowSchema(TableDefinition("t", (Picky,)))
    assert only_error(schema.read("bad", {"_v": 1})) == ("", "validator_raised")
    assert schema.read("good", {"_v": 1}) == Picky(id="good")


def test_a_strict_model_does_not_stumble_over_the_version():
    class Closed(BaseModel):
        model_config = ConfigDict(extra="forbid")
        id: str

    schema = RowSchema(TableDefinition("t", (Closed,)))
    assert schema.read("a", {"_v": 1}) == Closed(id="a")
    assert only_error(schema.read("a", {"_v": 1, "more": 1})) == ("more", "extra_forbidden")


class NoId(BaseModel):
    name: str


@pytest.mark.parametrize("schema", [dict, NoId, "text"], ids=["no model", "no id", "no class"])
def test_a_schema_that_is_no_model_with_an_id_is_refused(schema):
    with pytest.raises(InvalidInput) as refused:
        RowSchema(TableDefinition("t", (schema,)))
    assert refused.value.code == "SR-WS-052"


STORED = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(st.characters(exclude_categories=()))
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "name", "_v", "color", ""]), inner)
    ),
)


@given(st.text(st.characters(exclude_categories=())), STORED)
def test_reading_never_raises_whatever_a_peer_stored(key, stored):
    assert isinstance(TAGS.read(key, stored), (TagV3, RowError))
