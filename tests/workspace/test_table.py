"""Tables, on plain and on encrypted stores: every case of the contract's group."""

import pytest
from pydantic import BaseModel

from strongroom.errors import InvalidInput
from strongroom.plugin import TableDefinition, WorkspaceDefinition
from strongroom.workspace.table import DELETE_CHUNK_ROWS, SET_CHUNK_ROWS
from strongroom.workspace.table_errors import MigrationFailed, UnknownVersion, UnreadableRow, ValidationFailed
from strongroom.workspace.table_reading import TableReading
from tests.fakes.workspace_rig import Note, Tag, exchange, fuji


@pytest.fixture(params=[(), (1,)], ids=["plain", "encrypted"])
def workspace(request):
    workspace = fuji(*request.param)
    yield workspace
    workspace.dispose()


@pytest.fixture
def notes(workspace):
    return workspace.tables["notes"]


@pytest.fixture
def mixed(workspace, notes):
    """A valid row, and one of each kind that is none."""
    notes.set(Note(id="good", title="Good", stars=2))
    store = workspace.store("table:notes")
    store.set("bad", {"id": "bad", "title": 5, "_v": 1})
    store.set("later", {"id": "later", "title": "x", "_v": 9})
    return notes


def test_a_definition_without_schema_is_refused():
    with pytest.raises(InvalidInput, match="0 schemas"):
        TableDefinition("notes", ())


def test_the_read_only_form_has_no_writes(notes):
    notes.set(Note(id="n1", title="One"))
    reading = notes.reading()
    assert type(reading) is TableReading
    assert reading.get("n1") == Note(id="n1", title="One")
    writes = {"set", "update", "bulk_set", "delete", "bulk_delete", "clear", "transact"}
    assert not writes & set(dir(reading))


def test_set_stores_a_row_with_its_version(workspace, notes):
    notes.set(Note(id="n1", title="One"))
    assert workspace.store("table:notes").get("n1") == {"id": "n1", "title": "One", "body": "", "stars": 0, "_v": 1}
    assert notes.get("n1") == Note(id="n1", title="One")


def test_set_replaces_the_whole_row(notes):
    notes.set(Note(id="n1", title="One", stars=5))
    notes.set({"id": "n1", "title": "Two"})
    assert notes.get("n1") == Note(id="n1", title="Two")
    assert notes.count() == 1


def test_set_refuses_what_would_not_read_back(notes):
    with pytest.raises(InvalidInput):
        notes.set({"id": "n1", "title": 5})
    assert notes.get("n1") is None


def test_bulk_set_stores_all_rows(notes):
    notes.bulk_set([Note(id=f"n{n}", title=str(n)) for n in range(10)])
    assert [row.id for row in notes.get_all_valid()] == [f"n{n}" for n in range(10)]


def test_bulk_set_goes_in_chunks_and_reports_progress_up_to_one(notes):
    shares, changed = [], []
    notes.observe(lambda ids, origin: changed.append(len(ids)))
    total = 2 * SET_CHUNK_ROWS + 500
    notes.bulk_set(({"id": f"n{n}", "title": "x"} for n in range(total)), shares.append)
    assert shares == [0.4, 0.8, 1.0]
    assert changed == [SET_CHUNK_ROWS, SET_CHUNK_ROWS, 500]
    assert notes.count() == total


def test_bulk_set_of_two_rows_with_one_id_keeps_the_later(notes):
    notes.bulk_set([Note(id="n", title="first"), Note(id="n", title="second")])
    assert [row.title for row in notes.get_all_valid()] == ["second"]


def test_bulk_set_writes_nothing_when_one_row_is_wrong(notes):
    with pytest.raises(InvalidInput):
        notes.bulk_set([Note(id="n1", title="One"), {"id": "n2"}])
    assert notes.count() == 0


def test_bulk_set_of_nothing_reports_nothing(notes):
    shares = []
    notes.bulk_set([], shares.append)
    assert shares == []


def test_get_of_a_missing_row_is_none(notes):
    assert notes.get("nothing") is None


def test_get_of_an_invalid_row_is_validation_failed_with_places_and_row(mixed):
    found = mixed.get("bad")
    assert isinstance(found, ValidationFailed)
    assert [(each.path, each.message) for each in found.errors] == [("title", "Input should be a valid string")]
    assert found.row == {"id": "bad", "title": 5, "_v": 1}


def test_get_of_a_row_of_a_later_version_is_unknown_version(mixed):
    found = mixed.get("later")
    assert isinstance(found, UnknownVersion)
    assert found.message == "Row 'later' has unknown _v value: 9"


def test_get_all_has_rows_and_reasons(mixed):
    assert {row.id: type(row) for row in mixed.get_all()} == {
        "good": Note,
        "bad": ValidationFailed,
        "later": UnknownVersion,
    }


def test_get_all_valid_and_get_all_invalid_part_them(mixed):
    assert [row.id for row in mixed.get_all_valid()] == ["good"]
    assert sorted(row.id for row in mixed.get_all_invalid()) == ["bad", "later"]


def test_filter_skips_what_is_invalid(mixed):
    assert [row.id for row in mixed.filter(lambda row: row.stars > 1)] == ["good"]
    assert mixed.filter(lambda row: row.stars > 2) == []


def test_find_skips_what_is_invalid_and_is_none_without_a_match(mixed):
    assert mixed.find(lambda row: True).id == "good"
    assert mixed.find(lambda row: row.title == "other") is None


def test_update_merges_and_returns_the_new_row(notes):
    notes.set(Note(id="n1", title="One", stars=5))
    assert notes.update("n1", {"title": "Two"}) == Note(id="n1", title="Two", stars=5)
    assert notes.get("n1") == Note(id="n1", title="Two", stars=5)


def test_update_keeps_the_id(notes):
    notes.set(Note(id="n1", title="One"))
    assert notes.update("n1", {"id": "other", "title": "Two"}).id == "n1"
    assert [row.id for row in notes.get_all_valid()] == ["n1"]


def test_update_of_a_missing_row_is_none_and_writes_nothing(notes):
    assert notes.update("n1", {"title": "Two"}) is None
    assert notes.count() == 0


def test_update_to_an_invalid_row_is_an_error_and_writes_nothing(notes):
    notes.set(Note(id="n1", title="One"))
    assert isinstance(notes.update("n1", {"title": 5}), ValidationFailed)
    assert isinstance(notes.update("n1", {"title": float("nan")}), ValidationFailed)
    assert notes.get("n1") == Note(id="n1", title="One")


def test_update_of_a_row_that_cannot_be_had_is_its_error(mixed):
    assert isinstance(mixed.update("bad", {"title": "fine"}), ValidationFailed)
    assert isinstance(mixed.get("bad"), ValidationFailed)


def test_delete_removes_a_row_and_ignores_a_missing_one(notes):
    notes.set(Note(id="n1", title="One"))
    notes.delete("n1")
    notes.delete("n1")
    assert (notes.get("n1"), notes.count()) == (None, 0)


def test_delete_removes_what_is_no_row(mixed):
    mixed.delete("bad")
    assert not mixed.has("bad")


def test_bulk_delete_goes_in_chunks_and_ignores_missing_ids(notes):
    total = DELETE_CHUNK_ROWS + 10
    notes.bulk_set({"id": f"n{n}", "title": "x"} for n in range(total + 1))
    shares = []
    notes.bulk_delete([*(f"n{n}" for n in range(total)), "nothing", "n1"], shares.append)
    assert shares == [DELETE_CHUNK_ROWS / (total + 1), 1.0]
    assert [row.id for row in notes.get_all_valid()] == [f"n{total}"]


def test_clear_removes_every_entry_also_those_that_are_no_rows(mixed):
    mixed.clear()
    assert mixed.count() == 0


def test_transact_makes_one_transaction_and_returns_what_its_work_returns(notes):
    changed = []
    notes.observe(lambda ids, origin: changed.append(ids))

    def work():
        notes.set(Note(id="n1", title="One"))
        notes.set(Note(id="n2", title="Two"))
        notes.delete("n1")
        return notes.get("n2").title

    assert notes.transact(work) == "Two"
    assert changed == [{"n2"}]


def test_observe_tells_once_per_transaction_which_ids_changed_and_stops(notes):
    changed = []
    stop = notes.observe(lambda ids, origin: changed.append((sorted(ids), origin)))
    notes.bulk_set([Note(id="n1", title="One"), Note(id="n2", title="Two")])
    notes.delete("n1")
    stop()
    notes.delete("n2")
    assert changed == [(["n1", "n2"], None), (["n1"], None)]


def test_observe_hears_of_another_device_with_its_origin(request, workspace, notes):
    other = fuji(*(() if "plain" in request.node.name else (1,)))
    changed = []
    other.tables["notes"].observe(lambda ids, origin: changed.append((set(ids), origin)))
    notes.set(Note(id="n1", title="One"))
    exchange(workspace, other)
    assert changed == [({"n1"}, "peer")]
    assert other.tables["notes"].get("n1") == Note(id="n1", title="One")
    other.dispose()


def test_count_and_has_are_of_the_store(mixed):
    assert mixed.count() == 3
    assert mixed.has("good")
    assert mixed.has("bad")
    assert not mixed.has("nothing")


def test_a_row_of_version_1_is_migrated_when_it_is_read_and_stays_as_it_is(workspace):
    workspace.store("table:tags").set("t1", {"id": "t1", "name": "work", "_v": 1})
    assert workspace.tables["tags"].get("t1") == Tag(id="t1", name="work", color="grey")
    assert workspace.store("table:tags").get("t1")["_v"] == 1


def test_an_update_of_an_old_row_writes_the_latest_version(workspace):
    workspace.store("table:tags").set("t1", {"id": "t1", "name": "work", "_v": 1})
    workspace.tables["tags"].update("t1", {"color": "red"})
    assert workspace.store("table:tags").get("t1") == {"id": "t1", "name": "work", "color": "red", "_v": 2}


def test_a_migration_goes_from_1_over_2_to_3():
    class V1(BaseModel):
        id: str

    class V2(BaseModel):
        id: str
        two: str

    class V3(BaseModel):
        id: str
        two: str
        three: str

    def migrate(row, version):
        row = V2(id=row.id, two="from 1") if version == 1 else row
        return V3(id=row.id, two=row.two, three=f"from {version}")

    table = TableDefinition("t", (V1, V2, V3), migrate)
    workspace = fuji(definition=WorkspaceDefinition("w", tables=(table,)))
    store = workspace.store("table:t")
    store.bulk_set([("a", {"_v": 1}), ("b", {"two": "own", "_v": 2}), ("c", {"two": "x", "three": "y", "_v": 3})])
    assert workspace.tables["t"].get_all() == [
        V3(id="a", two="from 1", three="from 1"),
        V3(id="b", two="own", three="from 2"),
        V3(id="c", two="x", three="y"),
    ]


def test_a_migration_that_raises_is_a_value_with_its_cause_and_the_others_are_read(workspace):
    tags = workspace.tables["tags"]
    workspace.store("table:tags").bulk_set([("t1", {"name": "cursed", "_v": 1}), ("t2", {"name": "work", "_v": 1})])
    (failed,) = tags.get_all_invalid()
    assert isinstance(failed, MigrationFailed)
    assert str(failed.cause) == "cursed"
    assert [row.id for row in tags.get_all_valid()] == ["t2"]


def test_a_row_whose_key_is_not_here_is_unreadable_and_neither_missing_nor_invalid():
    writer, reader = fuji(1, 2), fuji(1)
    writer.tables["notes"].set(Note(id="n1", title="One"))
    exchange(writer, reader)
    notes = reader.tables["notes"]
    found = notes.get("n1")
    assert isinstance(found, UnreadableRow)
    assert found.key_version == 2
    assert "keyVersion=2 not in keyring [1]" in found.message
    assert isinstance(notes.update("n1", {"title": "x"}), UnreadableRow)
    assert (notes.count(), notes.has("n1")) == (1, True)
    notes.clear()
    assert notes.count() == 0
