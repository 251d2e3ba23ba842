"""Epicenter's own logs: read, written and compacted in its encoding, and only looked at where it runs."""

import json
import sqlite3
from pathlib import Path

import pytest

from strongroom.crypto.keys import Key
from strongroom.errors import InvalidInput, KeyMissing, StorageFault, Tampered
from strongroom.keyring.workspace_keys import WorkspaceKeys
from strongroom.workspace.document import Document
from strongroom.workspace.persistence import upstream_log
from strongroom.workspace.persistence.upstream_log import (
    UpstreamLog,
    open_local_row,
    read_upstream_log,
    seal_local_row,
)
from strongroom.workspace.yjs.convert import v1_to_v2, v2_to_v1

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
FIXTURES = {
    fixture["name"]: fixture for fixture in json.loads((VECTORS / "epicenter-yjs.json").read_text())["fixtures"]
}
LOCAL_ROWS = json.loads((VECTORS / "epicenter.json").read_text())["encryptBytes"]
STEPS = {name: fixture for name, fixture in FIXTURES.items() if fixture.get("updatesV2")}


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".epicenter" / "yjs" / "notes.db"


def as_upstream(path, *updates):
    """The file as Epicenter's daemon leaves it."""
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path, isolation_level=None) as database:
        database.execute("pragma journal_mode=wal")
        database.execute("create table updates (id integer primary key autoincrement, data blob not null)")
        database.executemany("insert into updates (data) values (?)", ((update,) for update in updates))
    database.close()


def rows(path):
    with sqlite3.connect(path) as database:
        found = database.execute("select id, data from updates order by id").fetchall()
    database.close()
    return found


def write(document, *values):
    for value in values:
        with document.transaction():
            document.array("kv").append({"key": str(value), "val": value, "ts": 1})


def values_of(path):
    document = Document("notes")
    assert read_upstream_log(path, document) == []
    return [entry["val"] for entry in document.array("kv").to_py()]


def test_it_is_in_wal_mode_with_the_table_of_upstream(path):
    log = UpstreamLog(path, Document("notes"))
    log.attach()
    with sqlite3.connect(path) as database:
        assert database.execute("pragma journal_mode").fetchone() == ("wal",)
        assert [row[1:4] for row in database.execute("pragma table_info(updates)")] == [
            ("id", "INTEGER", 0),
            ("data", "BLOB", 1),
        ]
    database.close()
    log.close()


def test_close_and_reopen(path):
    document = Document("notes")
    log = UpstreamLog(path, document)
    log.attach()
    write(document, 1, 2)
    log.flush()
    assert len(rows(path)) == 2
    log.close()
    again = Document("notes")
    log = UpstreamLog(path, again)
    assert log.attach() == []
    assert again.array("kv").to_py() == document.array("kv").to_py()
    log.close()


def test_what_is_written_after_it_was_closed_is_not_called_written(path):
    document = Document("notes")
    log = UpstreamLog(path, document)
    log.attach()
    write(document, 1)
    log.close()
    log.flush()
    write(document, 2)
    with pytest.raises(StorageFault, match="cannot be used"):
        log.flush()
    assert values_of(path) == [1]


def test_compaction_at_close_leaves_one_row_that_is_the_whole_state_in_encoding_v2(path):
    document = Document("notes")
    log = UpstreamLog(path, document)
    log.attach()
    write(document, *range(10))
    log.close()
    ((number, data),) = rows(path)
    assert number == 11
    copy = Document("notes")
    copy.apply(v2_to_v1(data))
    assert copy.array("kv").to_py() == document.array("kv").to_py()


def test_compaction_at_open_and_when_much_is_new(path, monkeypatch):
    as_upstream(path, *(bytes.fromhex(each) for each in STEPS["plaintext-lww"]["updatesV2"]))
    document = Document("plain-doc")
    log = UpstreamLog(path, document)
    log.attach()
    assert len(rows(path)) == 1
    monkeypatch.setattr(upstream_log, "COMPACT_BYTES", 1000)
    for number in range(40):
        write(document, number)
        log.flush()
    assert len(rows(path)) < 40
    log.close()


def test_a_state_that_is_too_large_is_not_compacted(path, monkeypatch):
    monkeypatch.setattr(upstream_log, "COMPACT_BYTES", 100)
    document = Document("notes")
    log = UpstreamLog(path, document)
    log.attach()
    write(document, *range(20))
    log.close()
    assert len(rows(path)) == 20


def test_clear_local_deletes_all_rows(path):
    document = Document("notes")
    log = UpstreamLog(path, document)
    log.attach()
    write(document, 1)
    log.flush()
    log.clear_local()
    assert rows(path) == []
    log.close()


@pytest.mark.parametrize("name", STEPS)
def test_replay_of_what_upstream_wrote_gives_its_document(path, name):
    fixture = STEPS[name]
    as_upstream(path, *(bytes.fromhex(each) for each in fixture["updatesV2"]))
    document, wanted = Document(fixture["guid"]), Document(fixture["guid"])
    wanted.apply(bytes.fromhex(fixture["updateV1"]))
    assert read_upstream_log(path, document) == []
    assert document.array_names() == wanted.array_names()
    for array in wanted.array_names():
        assert document.array(array).to_py() == wanted.array(array).to_py()


def test_a_reader_reads_while_the_log_is_written(path):
    document = Document("notes")
    log = UpstreamLog(path, document)
    log.attach()
    write(document, 1)
    log.flush()
    assert values_of(path) == [1]
    write(document, 2)
    log.flush()
    assert values_of(path) == [1, 2]
    log.close()


def test_a_missing_file_has_no_rows_and_is_not_made(path):
    assert values_of(path) == []
    assert not path.parent.exists()


def test_a_reader_writes_nothing(path):
    as_upstream(path, *(bytes.fromhex(each) for each in STEPS["plaintext-lww"]["updatesV2"]))
    before = path.read_bytes()
    read_upstream_log(path, Document("plain-doc"))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"\xff\xff\xff", ""), (b"", ""), ("text", "it is too long, or holds no bytes")],
    ids=["garbage", "empty", "text"],
)
def test_a_row_that_cannot_be_read_is_reported_and_stays(path, data, why):
    good = [bytes.fromhex(each) for each in STEPS["plaintext-lww"]["updatesV2"]]
    as_upstream(path, data, *good)
    document = Document("plain-doc")
    log = UpstreamLog(path, document)
    ((number, reason),) = log.attach()
    assert number == 1
    assert reason
    assert reason.startswith(why)
    assert len(document.array("table:posts").to_py()) == 3
    log.close()
    assert [number for number, _data in rows(path)] == [1, len(good) + 2]


def test_a_row_that_waits_for_another_one_survives_a_compaction(path):
    updates = []
    source = Document("notes")
    source.on_update(lambda update, _origin: updates.append(v1_to_v2(update)))
    write(source, "a", "b", "c")
    as_upstream(path, updates[0], updates[2])
    document = Document("notes")
    log = UpstreamLog(path, document)
    log.attach()
    write(document, "d")
    log.close()
    with sqlite3.connect(path) as database:
        database.execute("insert into updates (data) values (?)", (updates[1],))
    database.close()
    assert sorted(values_of(path)) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("make", ["foreign", "garbage", "other columns"])
def test_a_file_that_is_no_log_of_upstream_is_refused_by_name(path, make):
    path.parent.mkdir(parents=True)
    if make == "garbage":
        path.write_bytes(b"no database" * 100)
    else:
        table = "updates (id, data, more)" if make == "other columns" else "notes (n)"
        with sqlite3.connect(path) as database:
            database.execute(f"create table {table}")
        database.close()
    with pytest.raises(StorageFault) as refused:
        read_upstream_log(path, Document("notes"))
    assert refused.value.code == ("SR-STORE-042" if make == "garbage" else "SR-STORE-052")


def test_what_the_document_held_before_is_written_too(path):
    document = Document("notes")
    write(document, "before")
    log = UpstreamLog(path, document)
    log.attach()
    log.close()
    assert values_of(path) == ["before"]


@pytest.mark.parametrize("case", LOCAL_ROWS, ids=lambda case: case["name"])
def test_rows_of_the_encrypted_local_store_open_byte_for_byte(case):
    keys = WorkspaceKeys({case["keyVersion"]: Key(bytes.fromhex(case["key"]))}, case["keyVersion"])
    guid = case["aadText"].removeprefix("yjs-update-v2:")
    assert keys.open(bytes.fromhex(case["blob"]), f"yjs-update-v2:{guid}".encode()).hex() == case["plaintext"]


def test_a_row_of_the_encrypted_local_store_goes_both_ways_and_opens_for_its_document_only():
    keys = WorkspaceKeys({1: Key(bytes(32)), 2: Key(b"2" * 32)}, 2)
    document = Document("notes")
    write(document, 1)
    row = seal_local_row(keys, "notes", document.update_since())
    assert row[:2] == b"\1\2"
    copy = Document("notes")
    copy.apply(open_local_row(keys, "notes", row))
    assert copy.array("kv").to_py() == document.array("kv").to_py()
    with pytest.raises(Tampered):
        open_local_row(keys, "other", row)
    with pytest.raises(KeyMissing):
        open_local_row(WorkspaceKeys({1: Key(bytes(32))}, 1), "notes", row)
    with pytest.raises(Tampered):
        open_local_row(keys, "notes", row[:-1])
    with pytest.raises(InvalidInput):
        open_local_row(keys, "notes", keys.seal(b"no update", b"yjs-update-v2:notes"))
