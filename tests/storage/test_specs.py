"""Registered workflows and their binaries."""

import dataclasses

import pytest

from strongroom.errors import Conflict, NotFound
from strongroom.storage import specs
from strongroom.storage.specs import SpecRow
from tests.fakes.rows import spec_row


def add(database, *rows):
    for row in rows:
        database.write(lambda conn, row=row: specs.insert(conn, row)).result()


def test_a_workflow_is_read_back_as_it_was_written(database):
    add(database, spec_row(1))
    assert database.read(lambda conn: specs.get(conn, spec_row(1).workflow_id)) == spec_row(1)
    assert database.read(lambda conn: specs.get(conn, "ff" * 32)) is None
    assert database.read(specs.count) == 1


def test_the_columns_under_the_mac_are_all_but_the_mac():
    names = {field.name for field in dataclasses.fields(SpecRow)}
    assert spec_row().columns().keys() == names - {"mac"}
    assert spec_row().columns()["attributes"] == b'{"confidential": true}'


def test_a_taken_id_is_a_conflict_and_the_first_row_stays(database):
    add(database, spec_row(1))
    with pytest.raises(Conflict) as caught:
        add(database, spec_row(1, workflow_name="other"))
    assert caught.value.code == "SR-STORE-020"
    assert database.read(lambda conn: specs.get(conn, spec_row(1).workflow_id)) == spec_row(1)


@pytest.mark.parametrize("missing", ["left out", b"", None], ids=["left out", "empty", "none"])
def test_no_attributes_and_empty_ones_are_the_same(database, missing):
    row = spec_row(1, attributes=missing)
    if missing == "left out":
        values = {name: value for name, value in dataclasses.asdict(row).items() if name != "attributes"}
        row = SpecRow(**values)
    add(database, row)
    assert database.read(lambda conn: specs.get(conn, row.workflow_id)).attributes == b""
    assert row.columns()["attributes"] == b""


def test_a_workflow_is_replaced_in_every_column(database):
    add(database, spec_row(1), spec_row(2))
    changes = {
        name: value + type(value)(7) if isinstance(value, int) else value + value[:1] + value[:1]
        for name, value in dataclasses.asdict(spec_row(1)).items()
        if name != "workflow_id"
    }
    changed = dataclasses.replace(spec_row(1), **changes)
    database.write(lambda conn: specs.replace(conn, changed)).result()
    assert database.read(lambda conn: specs.get(conn, changed.workflow_id)) == changed
    assert database.read(lambda conn: specs.get(conn, spec_row(2).workflow_id)) == spec_row(2)


def test_what_is_not_there_cannot_be_replaced_or_deleted(database):
    for job in (lambda conn: specs.replace(conn, spec_row(1)), lambda conn: specs.delete(conn, "ff" * 32)):
        with pytest.raises(NotFound):
            database.write(job).result()


def test_a_deleted_workflow_is_gone(database):
    add(database, spec_row(1), spec_row(2))
    database.write(lambda conn: specs.delete(conn, spec_row(1).workflow_id)).result()
    assert database.read(lambda conn: specs.get(conn, spec_row(1).workflow_id)) is None
    assert database.read(specs.count) == 1


def test_workflows_of_a_name_come_newest_first(database):
    add(
        database, spec_row(1), spec_row(3), spec_row(2), spec_row(4, workflow_name="x"), spec_row(5, workflow_owner="b")
    )
    found = database.read(lambda conn: specs.find(conn, "aa" * 20, "hello"))
    assert found == [spec_row(3), spec_row(2), spec_row(1)]


def test_pages_cover_everything_once_with_equal_times_ordered_by_id(database):
    rows = [spec_row(number, created_at=1_000 + number // 3) for number in range(10)]
    add(database, *rows)
    seen, before = [], None
    while page := database.read(lambda conn, before=before: specs.page(conn, owners=None, before=before, limit=4)):
        seen += page
        before = (page[-1].created_at, page[-1].workflow_id)
    assert seen == rows[::-1]


def test_a_page_holds_one_owner_only_when_asked(database):
    add(database, spec_row(1), spec_row(2, workflow_owner="bb" * 20))
    page = database.read(lambda conn: specs.page(conn, owners={"bb" * 20}, before=None, limit=10))
    assert [row.workflow_owner for row in page] == ["bb" * 20]


def test_a_binary_is_stored_once_healed_when_stored_again_and_removed_when_unused(database):
    sha256 = spec_row(1).binary_sha256
    database.write(lambda conn: specs.put_binary(conn, sha256, b"damaged")).result()
    database.write(lambda conn: specs.put_binary(conn, sha256, b"\0asm" * 1000)).result()
    add(database, spec_row(1))
    assert database.read(lambda conn: specs.get_binary(conn, sha256)) == b"\0asm" * 1000
    assert database.write(lambda conn: specs.delete_binary_if_unused(conn, sha256)).result() is False
    database.write(lambda conn: specs.delete(conn, spec_row(1).workflow_id)).result()
    assert database.write(lambda conn: specs.delete_binary_if_unused(conn, sha256)).result() is True
    assert database.read(lambda conn: specs.get_binary(conn, sha256)) is None
    assert database.write(lambda conn: specs.delete_binary_if_unused(conn, sha256)).result() is False
