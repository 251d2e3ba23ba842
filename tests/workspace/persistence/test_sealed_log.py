"""A sealed log keeps what happened in a document: written as it comes, read at the next start, never in clear."""

import threading

import pytest

from strongroom.errors import KeyMissing, StorageFault, Unavailable, WrongState
from strongroom.workspace.document import Document
from strongroom.workspace.persistence import pending
from strongroom.workspace.persistence.names import database_file
from strongroom.workspace.persistence.sealed_log import SealedLog
from tests.fakes.canary import Canary
from tests.fakes.sealed_logs import bytes_beside, change, filled, keys_of, opened, put, rows_in, values


@pytest.fixture
def path(tmp_path):
    return database_file(tmp_path, "api.example.com", "alice", "notes")


def test_round_trip_at_the_owner_prefix(path):
    with opened(path) as log:
        put(log, "a", "b")
        log.flush()
    with opened(path) as log:
        assert values(log) == ["a", "b"]
        assert log.report.is_whole
    assert path.exists()


def test_it_works_with_keys_of_this_host_and_no_session(path):
    with opened(path, keys_of(7)) as log:
        put(log, 1)
    with opened(path, keys_of(7)) as log:
        assert values(log) == [1]


def test_a_keyring_that_raises_ends_the_load_with_its_error(path):
    def signed_out():
        raise Unavailable("SR-SESSION-001", "signed out")

    with pytest.raises(Unavailable, match="signed out"), opened(path, signed_out):
        pass
    with opened(path):
        pass  # and the file is free again


def test_clear_deletes_every_row_and_nothing_of_them_is_left(path):
    filled(path, "a", "b")
    (first, _version, blob) = rows_in(path)[1]
    with opened(path) as log:
        log.clear()
        assert log.rows_by_version() == {1: 1}, "the head says that there are none"
        assert blob[-40:] not in bytes_beside(path)
    assert first == "update"
    with opened(path) as log:
        assert (values(log), log.report.is_whole) == ([], True)


def test_what_flush_returned_for_is_in_the_file_before_the_log_is_closed(path):
    with opened(path) as log:
        put(log, "a")
        log.flush()
        assert len(rows_in(path)) == 1


def test_what_nobody_flushes_is_written_all_the_same(path):
    with opened(path) as log:
        put(log, "a")
        with log._file:
            pass
        for _ in range(2000):
            if rows_in(path):
                break
            threading.Event().wait(0.005)
        assert len(rows_in(path)) == 1


def test_updates_that_come_from_the_log_are_not_written_to_it_again(path):
    filled(path, *range(5))
    before = rows_in(path)
    with opened(path) as log:
        log.flush()
        assert rows_in(path) == before


def test_what_the_document_held_before_and_what_changes_until_the_log_is_attached_is_written(path):
    filled(path, "from the log")
    document = Document("notes")
    log = SealedLog(path, document, lambda: keys_of(1), "alice")
    put(log, "before")
    log.load()
    put(log, "between")
    log.attach()
    log.close()
    document.close()
    with opened(path) as log:
        assert sorted(values(log)) == ["before", "between", "from the log"]


def test_all_rows_come_in_one_transaction(path):
    filled(path, *range(20))
    document = Document("notes")
    heard = []
    document.on_update(lambda update, origin: heard.append((update, origin)))
    log = SealedLog(path, document, lambda: keys_of(1), "alice")
    log.load()
    assert len(heard) == 1
    assert repr(heard[0][1]) == "Elsewhere('log')"
    log.close()
    document.close()


def test_a_log_is_loaded_once_and_before_it_is_written(path):
    document = Document("notes")
    log = SealedLog(path, document, lambda: keys_of(1), "alice")
    with pytest.raises(WrongState) as refused:
        log.attach()
    assert refused.value.code == "SR-WS-073"
    log.load()
    with pytest.raises(WrongState) as refused:
        log.load()
    assert refused.value.code == "SR-WS-072"
    log.attach()
    with pytest.raises(WrongState):
        log.attach()
    log.close()
    log.close()


def test_updates_of_many_threads_are_all_there_and_share_commits(path):
    with opened(path) as log:

        def write(thread):
            for number in range(50):
                put(log, f"{thread}.{number}")
                log.flush()

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with opened(path) as log:
        assert sorted(values(log)) == sorted(f"{thread}.{number}" for thread in range(4) for number in range(50))
        assert log.report.is_whole


def test_no_plaintext_and_no_name_is_in_the_files(path):
    canary = Canary.new()
    with opened(path) as log:
        with log.document.transaction():
            log.document.array(f"table:{canary.text}").append({"key": canary.text, "val": canary.text, "ts": 1})
        log.flush()
        found = bytes_beside(path)
        log.compact()
        found += bytes_beside(path)
    found += bytes_beside(path)
    assert not [name for name, needle in canary.needles.items() if needle in found]


def test_keys_that_are_gone_are_an_error_at_the_next_flush_and_nothing_is_lost(path):
    given = [keys_of(1)]

    def keys():
        if not given:
            raise Unavailable("SR-SESSION-001", "signed out")
        return given[0]

    with opened(path, keys) as log:
        put(log, "a")
        log.flush()
        given.clear()
        put(log, "b")
        with pytest.raises(Unavailable, match="signed out"):
            log.flush()
        assert log.unwritten > 0
        given.append(keys_of(1, 2))
        log.flush()
        assert log.rows_by_version() == {1: 1, 2: 1}
    with opened(path, keys_of(1, 2)) as log:
        assert values(log) == ["a", "b"]


def test_closing_says_what_could_never_be_written(path):
    def signed_out():
        raise Unavailable("SR-SESSION-001", "signed out")

    document = Document("notes")
    log = SealedLog(path, document, lambda: keys_of(1), "alice")
    log.load()
    log.attach()
    log._keys = signed_out
    put(log, "lost")
    with pytest.raises(StorageFault, match="signed out") as refused:
        log.close()
    assert (refused.value.code, refused.value.details["updates"]) == ("SR-WS-074", 1)
    with opened(path) as log:
        assert values(log) == []


def test_updates_that_wait_for_too_long_become_the_whole_state(path, monkeypatch):
    monkeypatch.setattr(pending, "PENDING_BYTES_MAX", 200)
    given = [keys_of(1)]

    def keys():
        if not given:
            raise Unavailable("SR-SESSION-001", "signed out")
        return given[0]

    with opened(path, keys) as log:
        put(log, "first")
        log.flush()
        given.clear()
        put(log, *range(100))
        assert log.unwritten == 1
        with pytest.raises(Unavailable):
            log.flush()
        given.append(keys_of(1))
        log.flush()
        assert len(rows_in(path)) == 2
    with opened(path) as log:
        assert values(log) == ["first", *range(100)]


def test_a_write_that_failed_is_tried_again_by_itself(path, monkeypatch):
    monkeypatch.setattr("strongroom.workspace.persistence.background.RETRY_S", 0.01)
    with opened(path) as log:
        database = log._rows.log._database
        database.execute("create trigger bad before insert on log_rows begin select raise(abort, 'no'); end")
        put(log, "a")
        with pytest.raises(StorageFault) as refused:
            log.flush()
        assert refused.value.code == "SR-STORE-045"
        database.execute("drop trigger bad")
        for _ in range(2000):
            if rows_in(path):
                break
            threading.Event().wait(0.005)
        assert len(rows_in(path)) == 1
    with opened(path) as log:
        assert (values(log), log.report.is_whole) == (["a"], True)


@pytest.mark.parametrize(
    "other",
    [keys_of(1, salt=b"other"), keys_of(2), keys_of(2, 3)],
    ids=["another key", "missing version", "none of them"],
)
def test_wrong_keys_are_refused_by_name_and_nothing_is_written(path, other):
    filled(path, "a", "b")
    before = path.read_bytes()
    with pytest.raises(KeyMissing) as refused, opened(path, other):
        pass
    assert refused.value.code == "SR-WS-070"
    assert refused.value.details["expected"] == f"1:{keys_of(1).key(1).fingerprint()}"
    assert str(refused.value.details["offered"]).startswith(f"{other.versions[0]}:")
    assert path.read_bytes() == before
    with opened(path) as log:
        assert values(log) == ["a", "b"]


@pytest.mark.parametrize("place", [{"owner": "bob"}, {"guid": "other"}], ids=["another owner", "another document"])
def test_a_log_of_another_place_is_refused(path, place):
    filled(path, "a")
    with pytest.raises(KeyMissing), opened(path, **place):
        pass


def test_a_log_whose_key_id_was_changed_names_versions_and_not_what_was_written_there(path):
    filled(path, "a")
    change(path, "delete from log_meta where name = 'key-id'")
    with pytest.raises(KeyMissing) as refused, opened(path, keys_of(2)):
        pass
    assert refused.value.details["expected"] == "1"


def test_verifying_reads_every_row_again_while_the_document_changes(path):
    with opened(path) as log:
        stop = threading.Event()

        def write():
            number = 0
            while not stop.is_set():
                put(log, number)
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        checks = [log.verify() for _ in range(10)]
        stop.set()
        writer.join()
        assert [check.problem for check in checks] == [""] * 10
        log.flush()
        change(path, "update log_rows set data = zeroblob(60) where id = 1")
        found = log.verify()
        assert [row.id for row in found.carried] == [1]
        assert found.problem
        log.compact()
        assert log.verify().problem == "", "what the document still had was written again"
