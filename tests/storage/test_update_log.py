"""The file of an update log: what is appended is there, in order, for one writer, and foreign files stay untouched."""

import sqlite3
import stat
import threading

import pytest

from strongroom.errors import LimitExceeded, StorageFault, Unavailable
from strongroom.storage import update_log_rows
from strongroom.storage.update_log import UpdateLog
from strongroom.storage.update_log_rows import NewRow, read_rows

SECRET = b"0123456789abcdef" * 64


@pytest.fixture
def path(tmp_path):
    return tmp_path / "logs" / "notes.db"


@pytest.fixture
def log(path):
    log = UpdateLog(path)
    yield log
    log.close()


def row(data, version=1):
    return NewRow("update", version, data)


def everything(path):
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_rows_come_back_in_order_after_the_file_was_closed(path, log):
    assert log.append([row(b"a"), row(b"b", 2)]) == [1, 2]
    assert log.append([row(b"")]) == [3]
    log.close()
    again = UpdateLog(path)
    assert [(each.id, each.purpose, each.key_version, each.data) for each in again.rows()] == [
        (1, "update", 1, b"a"),
        (2, "update", 2, b"b"),
        (3, "update", 1, b""),
    ]
    assert again.key_versions() == {1: 2, 2: 1}
    assert (again.sizes().rows, again.sizes().bytes) == (3, 2)
    again.close()


def test_the_file_and_all_beside_it_are_for_their_user_alone(path, log):
    log.append([row(b"a")])
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes) >= {"notes.db", "notes.db-wal", "notes.db.lock"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_commit_is_synced_and_what_is_deleted_is_overwritten(log):
    pragmas = {name: log._database.execute(f"pragma {name}").fetchone()[0] for name in ("synchronous", "secure_delete")}
    assert pragmas == {"synchronous": 2, "secure_delete": 1}
    assert log._database.execute("pragma journal_mode").fetchone()[0] == "wal"


def test_a_second_writer_is_refused_and_the_next_one_is_not(path, log):
    with pytest.raises(Unavailable) as refused:
        UpdateLog(path)
    assert refused.value.code == "SR-STORE-044"
    log.close()
    UpdateLog(path).close()


def test_a_closed_log_says_so(log):
    log.close()
    with pytest.raises(Unavailable) as refused:
        log.append([row(b"a")])
    assert refused.value.code == "SR-STORE-050"
    log.close()


def test_an_id_is_never_given_twice(path, log):
    first = log.reserve(2)
    assert log.append([row(b"x")]) == [3]
    assert log.append([row(b"y"), row(b"z")], first_id=first) == [1, 2]
    log.delete([1, 2, 3])
    log.close()
    again = UpdateLog(path)
    assert again.append([row(b"w")]) == [4]
    again.close()


def test_an_id_that_is_taken_is_refused_and_nothing_of_the_call_is_written(log):
    log.append([row(b"a"), row(b"b")])
    with pytest.raises(StorageFault) as refused:
        log.append([row(b"c"), row(b"d")], first_id=2, meta={"head": b"new"})
    assert refused.value.code == "SR-STORE-045"
    assert [each.data for each in log.rows()] == [b"a", b"b"]
    assert log.meta("head") is None


def test_replacing_rows_keeps_the_others_and_sets_its_meta_with_them(log):
    log.append([row(b"a"), row(b"b"), row(b"c")])
    assert log.replace([1, 3], NewRow("state", 2, b"ac"), meta={"head": b"h"}) == 4
    assert [(each.id, each.data) for each in log.rows()] == [(2, b"b"), (4, b"ac")]
    assert log.meta("head") == b"h"
    assert log.ids() == [2, 4]
    assert [each.id for each in log.rows([4, 9, 2])] == [4, 2]


def test_after_a_scrub_nothing_of_replaced_rows_is_in_any_file_and_the_file_is_smaller(path, log):
    log.append([row(SECRET) for _ in range(200)])
    assert SECRET in everything(path)
    log.replace(log.ids(), row(b"small"))
    log.scrub()
    size = path.stat().st_size
    assert SECRET[:32] not in everything(path)
    assert size < 200 * len(SECRET) / 4
    assert log.damage() == []


def test_a_scrub_says_when_a_reader_is_in_its_way(path, log):
    log.append([row(SECRET)])
    log._database.execute("pragma busy_timeout=10")
    with sqlite3.connect(path, isolation_level=None) as reader:
        reader.execute("begin")
        reader.execute("select * from log_rows").fetchall()
        log.replace([1], row(b"small"))
        with pytest.raises(Unavailable) as refused:
            log.scrub()
        assert refused.value.code == "SR-STORE-048"
    reader.close()
    log.scrub()
    assert SECRET[:32] not in everything(path)


def test_callers_that_come_while_a_commit_is_under_way_share_the_next_one(log):
    commits = []
    log._database.set_trace_callback(lambda text: commits.append(text) if text == "COMMIT" else None)
    answers = {}

    def append(number):
        answers[number] = log.append([row(b"%d" % number)])

    threads = [threading.Thread(target=append, args=(number,)) for number in range(20)]
    with log._lock:
        for thread in threads:
            thread.start()
        while len(log._waiting) < len(threads):
            pass
    for thread in threads:
        thread.join()
    assert len(commits) == 1
    assert {next(iter(log.rows(ids))).data: number for number, ids in answers.items()} == {
        b"%d" % number: number for number in range(20)
    }


def test_every_caller_of_a_commit_that_failed_is_told(log):
    log._database.execute("create trigger bad before insert on log_rows begin select raise(abort, 'no'); end")
    failures = []

    def append():
        with pytest.raises(StorageFault) as refused:
            log.append([row(b"x")])
        failures.append(refused.value.code)

    threads = [threading.Thread(target=append) for _ in range(4)]
    with log._lock:
        for thread in threads:
            thread.start()
        while len(log._waiting) < len(threads):
            pass
    for thread in threads:
        thread.join()
    assert failures == ["SR-STORE-045"] * 4
    log._database.execute("drop trigger bad")
    assert len(log.append([row(b"x")])) == 1


def test_a_row_that_is_too_long_is_refused_before_anything_is_written(log, monkeypatch):
    monkeypatch.setattr(update_log_rows, "ROW_BYTES_MAX", 10)
    with pytest.raises(LimitExceeded) as refused:
        log.append([row(b"a"), row(b"x" * 11)])
    assert (refused.value.code, refused.value.details) == ("SR-STORE-051", {"size": 11, "limit": 10})
    assert log.ids() == []


def test_columns_that_were_changed_to_anything_are_read_as_what_they_are_not(path, log):
    log.append([row(b"a"), row(b"b")])
    log.close()
    with sqlite3.connect(path) as database:
        database.execute("update log_rows set purpose = x'ff', key_version = 'old', data = 'text' where id = 1")
        database.execute("insert into log_rows values (9223372036854775807, 'update', 1, x'00')")
    database.close()
    again = UpdateLog(path)
    first, second, last = again.rows()
    assert (first.key_version, first.data) == (-1, None)
    assert second.data == b"b"
    assert last.data == b"\0"
    assert again.append([row(b"c")]) == [3], "an id that no log reaches does not use up the others"
    again.close()


def test_a_reader_sees_the_rows_while_they_are_written_and_writes_nothing(path, log):
    assert read_rows(path.with_name("missing.db")) == []
    assert not path.with_name("missing.db").exists()
    log.append([row(b"%d" % number) for number in range(600)])
    assert [each.data for each in read_rows(path)] == [b"%d" % number for number in range(600)]
    path.with_name("garbage.db").write_bytes(b"no database at all, " * 100)
    with pytest.raises(StorageFault) as refused:
        read_rows(path.with_name("garbage.db"))
    assert refused.value.code == "SR-STORE-042"
