"""A compaction: one verified row in the place of many, under the writing version; nothing of the old ones is left."""

import threading

import pytest

from strongroom.errors import Internal, StorageFault
from strongroom.workspace.document import Document
from strongroom.workspace.persistence import growth
from strongroom.workspace.persistence.growth import Growth
from tests.fakes.sealed_logs import bytes_beside, filled, keys_of, opened, put, rows_in, values


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log" / "notes.db"


def wait_for(condition):
    for _ in range(2000):
        if condition():
            return
        threading.Event().wait(0.005)
    raise AssertionError("it never happened")


def test_many_rows_become_one_and_the_document_is_the_same(path):
    filled(path, *range(30))
    with opened(path) as log:
        outcome = log.compact()
        assert (outcome.rows_before, outcome.rows_after) == (30, 1)
        assert outcome.bytes_after < outcome.bytes_before
        assert values(log) == list(range(30))
    assert [purpose for purpose, _version, _data in rows_in(path).values()] == ["state"]
    with opened(path) as log:
        assert (values(log), log.report.is_whole) == (list(range(30)), True)


def test_after_it_no_row_and_no_head_is_of_an_older_version_and_the_old_key_is_not_needed(path):
    filled(path, "a", "b", keys=keys_of(1))
    old = [data for _purpose, _version, data in rows_in(path).values()]
    with opened(path, keys_of(1, 2)) as log:
        assert log.rows_by_version() == {1: 2}
        put(log, "c")
        log.flush()
        assert log.rows_by_version() == {1: 2, 2: 1}
        log.compact()
        assert log.rows_by_version() == {2: 1}
        assert not [blob for blob in old if blob[-32:] in bytes_beside(path)], "while the file is open"
    assert not [blob for blob in old if blob[-32:] in bytes_beside(path)]
    with opened(path, keys_of(2)) as log:
        assert (values(log), log.report.is_whole) == (["a", "b", "c"], True)


def test_the_head_counts_as_a_row_of_its_version_where_no_row_needs_that(path):
    filled(path, "a", keys=keys_of(1))
    with opened(path, keys_of(1, 2)) as log:
        log._rows.log.set_meta("head", log._rows.seal.seal_head(keys_of(1, 2), log._rows._count.head().encoded()))
    with opened(path, keys_of(1, 2), attach=False) as log:
        assert log.rows_by_version() == {1: 1, 2: 1}


def test_a_promoted_older_version_is_the_one_that_writes(path):
    filled(path, "a", keys=keys_of(2))
    with opened(path, keys_of(1, 2, writing=1)) as log:
        log.compact()
        assert log.rows_by_version() == {1: 1}


def test_what_is_written_while_it_runs_is_not_lost(path):
    with opened(path) as log:
        put(log, *range(200))
        log.flush()
        stop = threading.Event()
        written = []

        def write():
            number = 200
            while not stop.is_set():
                put(log, number)
                log.flush()
                written.append(number)
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(5):
            log.compact()
        stop.set()
        writer.join()
    assert written
    with opened(path) as log:
        assert values(log) == list(range(written[-1] + 1))
        assert log.report.is_whole


def test_a_row_that_would_make_another_document_is_not_swapped_in(path, monkeypatch):
    filled(path, *range(5))
    before = rows_in(path)
    empty = Document("notes").update_since()
    with opened(path) as log:
        seal = type(log._rows.seal).seal
        monkeypatch.setattr(
            type(log._rows.seal),
            "seal",
            lambda self, keys, purpose, row_id, plaintext: seal(
                self, keys, purpose, row_id, empty if purpose == "state" else plaintext
            ),
        )
        with pytest.raises(Internal, match="state vector") as refused:
            log.compact()
        assert refused.value.code == "SR-WS-071"
        assert rows_in(path) == before
        monkeypatch.undo()
        log.compact()
        assert len(rows_in(path)) == 1


def test_an_array_that_was_only_asked_for_is_no_difference(path):
    with opened(path) as log:
        log.document.array("table:empty")
        log.compact()
        put(log, "a")
        with log.document.transaction():
            del log.document.array("kv")[0]
        log.compact()
        assert log.verify().problem == ""


def test_a_swap_that_fails_leaves_the_log_as_it_was_and_usable(path):
    filled(path, *range(5))
    before = rows_in(path)
    with opened(path) as log:
        database = log._rows.log._database
        database.execute("create trigger bad before insert on log_rows begin select raise(abort, 'no'); end")
        with pytest.raises(StorageFault):
            log.compact()
        assert rows_in(path) == before
        database.execute("drop trigger bad")
        put(log, 5)
        log.flush()
        log.compact()
    with opened(path) as log:
        assert (values(log), log.report.is_whole) == (list(range(6)), True)


@pytest.mark.parametrize(
    ("rows", "size", "state", "due", "at_close"),
    [
        (0, 0, 0, False, False),
        (1, 100, 100, False, False),
        (2, 100, 100, False, True),
        (growth.ROWS_DUE - 1, 100_000, 0, False, True),
        (growth.ROWS_DUE, 100_000, 0, True, True),
        (growth.ROWS_DUE, 100_000, 10_000_000, False, False),
        (growth.ROWS_MAX, 100_000, 10_000_000, True, True),
        (3, growth.BYTES_DUE, 0, True, True),
        (3, growth.BYTES_DUE, 100_000_000, False, False),
        (3, 25_000_000, 100_000_000, True, True),
    ],
)
def test_a_log_is_compacted_in_proportion_to_its_state(rows, size, state, due, at_close):
    grown = Growth(rows, size, state)
    assert (grown.is_due, grown.is_due_at_close) == (due, at_close)


def test_a_log_that_grew_is_compacted_when_it_is_quiet(path, monkeypatch):
    monkeypatch.setattr(growth, "ROWS_DUE", 10)
    monkeypatch.setattr("strongroom.workspace.persistence.background.QUIET_S", 0.01)
    with opened(path) as log:
        put(log, *range(20))
        log.flush()
        wait_for(lambda: len(rows_in(path)) == 1)


def test_a_log_that_is_written_without_a_pause_is_compacted_all_the_same(path, monkeypatch):
    monkeypatch.setattr(growth, "ROWS_MAX", 20)
    compacted = threading.Event()
    with opened(path) as log:
        monkeypatch.setattr(log, "compact", lambda: compacted.set())
        for number in range(100_000):
            put(log, number)
            log.flush()
            if compacted.is_set():
                break
        assert compacted.is_set()
        monkeypatch.undo()


def test_a_small_log_is_compacted_when_it_is_closed_and_a_single_row_is_left_alone(path):
    with opened(path) as log:
        put(log, "a", "b")
    assert list(rows_in(path)) == [3]
    with opened(path):
        pass
    assert list(rows_in(path)) == [3]


def test_a_log_that_was_left_long_is_compacted_after_it_is_opened(path, monkeypatch):
    filled(path, *range(20))
    monkeypatch.setattr(growth, "ROWS_DUE", 10)
    monkeypatch.setattr("strongroom.workspace.persistence.background.QUIET_S", 0.01)
    with opened(path):
        wait_for(lambda: len(rows_in(path)) == 1)


def test_a_compaction_that_fails_in_the_background_is_left_alone_for_a_while(path, monkeypatch):
    monkeypatch.setattr(growth, "ROWS_DUE", 3)
    monkeypatch.setattr("strongroom.workspace.persistence.background.QUIET_S", 0.001)
    tried = []
    with opened(path) as log:
        monkeypatch.setattr(log, "compact_if_due", lambda: tried.append(1) or 1 / 0)
        put(log, *range(5))
        wait_for(lambda: tried)
        put(log, 6)
        log.flush()
        assert len(tried) == 1
        monkeypatch.undo()


def test_a_file_does_not_keep_the_room_of_what_was_replaced(path):
    with opened(path) as log:
        for number in range(50):
            with log.document.transaction():
                array = log.document.array("kv")
                if number:
                    del array[0]
                array.append({"key": "k", "val": bytes(20_000), "ts": number})
            log.flush()
        before = path.stat().st_size + path.with_name("notes.db-wal").stat().st_size
        log.compact()
        after = path.stat().st_size + path.with_name("notes.db-wal").stat().st_size
        assert after < before / 10
