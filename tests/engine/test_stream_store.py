"""A chunk is written once, in the order of commit, and what cannot be written says why."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from strongroom.engine.limits import EngineLimits
from strongroom.engine.retention import HOUR_MS, Retention
from strongroom.engine.stream_chunk import from_outside
from strongroom.engine.stream_reader import CHUNKS
from strongroom.engine.stream_store import StreamStore, Written
from strongroom.errors import Conflict, InvalidInput, LimitExceeded, NotFound, StorageFault, Tampered, WrongState
from strongroom.storage.writer import Writer
from tests.fakes.journalled import ended, new_run
from tests.fakes.scripted_guest import until
from tests.fakes.streamed import read, rows, write


@pytest.fixture
def run(host):
    return new_run(host.host.journals)


@pytest.fixture
def run_id(run):
    return run.header.run_id


@pytest.fixture
def store(host):
    return host.host.stream_store


def limited(host, **limits):
    return StreamStore(host.host.journals, EngineLimits(**limits))


def failing(submit):
    """What takes the place of ``submit`` when the disk takes nothing."""

    def fails(self, job, *, may_wait=False):
        def fault(connection):
            job(connection)
            raise StorageFault("SR-STORE-005", "the disk is full")

        return submit(self, fault, may_wait=may_wait)

    return fails


def refused(kind, code, call):
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.code == code
    return caught.value


def test_chunks_are_numbered_in_each_stream_and_read_as_they_were_written(host, run_id):
    assert write(host, run_id, "a", b"one", b"", b"\x00\xff three") == [0, 1, 2]
    assert write(host, run_id, "b", b"other") == [0]
    assert read(host, run_id, "a") == [b"one", b"", b"\x00\xff three"]
    assert read(host, run_id, "b") == [b"other"]


def test_nothing_of_a_chunk_is_stored_in_the_clear(host, run_id):
    write(host, run_id, "a", b"canary" * 10, close=True)
    assert not [row for row in rows(host, run_id, "a") if b"canary" in row.sealed]
    assert {row.sealed[:8] for row in rows(host, run_id, "a")} == {b"srn1\0\0\0\1"}


def test_a_chunk_that_is_sent_again_is_written_once(host, store, run_id):
    first = store.write(run_id, "a", b"x", written_by="7")
    assert (first, store.write(run_id, "a", b"x", written_by="7")) == (Written(0, True), Written(0, False))
    store.write(run_id, "a", b"y", written_by="8")
    assert store.write(run_id, "a", b"x", written_by="7") == Written(0, False)
    assert read(host, run_id, "a") == [b"x", b"y"]


def test_a_chunk_that_is_sent_again_is_found_when_nothing_may_be_written_any_more(host, run, run_id):
    store = limited(host, stream_chunks_per_run_max=1)
    store.write(run_id, "a", b"x", written_by="7", last=True)
    assert store.write(run_id, "a", b"x", written_by="7", last=True) == Written(0, False)
    ended(run)
    assert store.write(run_id, "a", b"x", written_by="7", last=True) == Written(0, False)


@pytest.mark.parametrize(("data", "last"), [(b"y", False), (b"x", True)], ids=["another content", "another end"])
def test_a_reference_that_wrote_something_else_is_refused(store, run_id, data, last):
    store.write(run_id, "a", b"x", written_by="7")
    refused(Conflict, "SR-STREAM-007", lambda: store.write(run_id, "a", data, written_by="7", last=last))


def test_references_of_outside_systems_never_meet_those_of_guests():
    assert from_outside("7") != "7"


def test_a_stream_is_closed_by_its_last_chunk_or_by_an_empty_one(host, store, run_id):
    store.write(run_id, "a", b"x", written_by="1", last=True)
    assert store.close(run_id, "a", written_by="2") == Written(0, False)
    write(host, run_id, "b", b"x")
    assert store.close(run_id, "b", written_by="2") == Written(1, True)
    assert store.close(run_id, "b", written_by="2") == Written(1, False)
    assert store.close(run_id, "c", written_by="2") == Written(0, True)
    assert [[row.final for row in rows(host, run_id, name)] for name in "abc"] == [[1], [0, 1], [1]]


def test_what_cannot_be_written_to_says_why_each_in_its_own_way(host, run, store, run_id):
    refused(NotFound, "SR-RUN-001", lambda: store.write("wrun_nobody", "a", b"x", written_by="1"))
    write(host, run_id, "a", b"x", close=True)
    error = refused(WrongState, "SR-STREAM-004", lambda: store.write(run_id, "a", b"y", written_by="1"))
    assert error.details["index"] == 1
    ended(run)
    refused(WrongState, "SR-STREAM-003", lambda: store.write(run_id, "b", b"y", written_by="1"))
    refused(WrongState, "SR-STREAM-003", lambda: store.close(run_id, "b", written_by="1"))


def test_a_name_that_is_none_is_refused(store, run_id):
    for name in ("", "a b", "a/b", "ä", "a\n", "a" * 129, "\x00", "a:b"):
        refused(InvalidInput, "SR-STREAM-001", lambda name=name: store.write(run_id, name, b"x", written_by="1"))
        refused(InvalidInput, "SR-STREAM-001", lambda name=name: store.close(run_id, name, written_by="1"))


@pytest.mark.parametrize("request_id", ["", "a b", "ä", "a\n", "a" * 129])
def test_a_request_id_that_is_none_is_refused(request_id):
    refused(InvalidInput, "SR-STREAM-011", lambda: from_outside(request_id))


def test_each_limit_is_named_with_the_size_that_broke_it(host, run_id):
    limits = {
        "stream_chunk_bytes_max": 10,
        "stream_chunks_per_run_max": 3,
        "stream_bytes_per_run_max": 20,
        "streams_per_run_max": 2,
    }
    store = limited(host, **limits)

    def broken(code, setting, size, name="a", data=b""):
        error = refused(LimitExceeded, code, lambda: store.write(run_id, name, data, written_by="new"))
        assert (error.details["setting"], error.details["size"]) == (f"limits.{setting}", size)
        assert error.details["limit"] == limits[setting]

    broken("SR-STREAM-002", "stream_chunk_bytes_max", 11, data=bytes(11))
    store.write(run_id, "a", bytes(10), written_by="1")
    store.write(run_id, "b", bytes(9), written_by="1")
    broken("SR-STREAM-008", "streams_per_run_max", 3, name="c")
    broken("SR-STREAM-010", "stream_bytes_per_run_max", 21, data=bytes(2))
    store.write(run_id, "b", bytes(1), written_by="2")
    broken("SR-STREAM-009", "stream_chunks_per_run_max", 4)
    store = limited(host, **limits)
    broken("SR-STREAM-009", "stream_chunks_per_run_max", 4)
    assert store.close(run_id, "a", written_by="end").created, "what is full can still be closed"


def test_what_is_sent_again_and_what_was_not_written_take_no_room(host, run_id, monkeypatch):
    limits = {"stream_chunks_per_run_max": 3, "stream_bytes_per_run_max": 20}
    store = limited(host, **limits)
    for _ in range(4):
        store.write(run_id, "a", bytes(5), written_by="1")
    assert store.write(run_id, "a", bytes(5), written_by="2") == Written(1, True)
    with monkeypatch.context() as patched:
        patched.setattr(Writer, "submit", failing(Writer.submit))
        for _ in range(3):
            refused(StorageFault, "SR-STORE-005", lambda: store.write(run_id, "a", bytes(9), written_by="3"))
    # Another process counts what is there, to the byte.
    other = limited(host, **limits)
    error = refused(LimitExceeded, "SR-STREAM-010", lambda: other.write(run_id, "a", bytes(11), written_by="3"))
    assert error.details["size"] == 21
    assert store.write(run_id, "a", bytes(10), written_by="3") == Written(2, True)


def test_a_chunk_of_the_largest_size_is_one_sealed_value(host, run_id):
    data = bytes(range(256)) * 1024
    assert len(data) == EngineLimits().stream_chunk_bytes_max
    write(host, run_id, "a", data)
    assert read(host, run_id, "a") == [data]


def test_writers_that_interleave_lose_nothing_and_write_nothing_twice(host, store, run_id):
    def writer(number):
        for index in range(20):
            for _again in range(2):
                store.write(run_id, "a", b"%d.%d" % (number, index), written_by=from_outside(f"{number}.{index}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(writer, range(4)))
    contents = read(host, run_id, "a")
    assert sorted(contents) == sorted(b"%d.%d" % (n, i) for n in range(4) for i in range(20))
    for number in range(4):
        own = [int(each.split(b".")[1]) for each in contents if each.startswith(b"%d." % number)]
        assert own == list(range(20)), "the chunks of one writer stay in its order"


def test_one_of_two_that_close_at_once_writes_the_mark(host, store, run_id):
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda n: store.close(run_id, "a", written_by=f"{n}"), range(2)))
    assert sorted(each.created for each in done) == [False, True]
    assert len(rows(host, run_id, "a")) == 1


def test_a_disk_that_takes_nothing_is_a_fault_and_the_chunk_can_be_sent_again(host, store, run_id, monkeypatch):
    write(host, run_id, "a", b"before")
    with monkeypatch.context() as patched:
        patched.setattr(Writer, "submit", failing(Writer.submit))
        refused(StorageFault, "SR-STORE-005", lambda: store.write(run_id, "a", b"x", written_by="7"))
    assert store.write(run_id, "a", b"x", written_by="7") == Written(1, True)
    assert read(host, run_id, "a") == [b"before", b"x"]


def test_a_refusal_costs_nothing_to_those_who_share_its_commit(host, run, store, run_id):
    ended(run)
    entered, release, done = threading.Event(), threading.Event(), []

    def holding(_connection):
        entered.set()
        assert release.wait(20)

    host.database.write(holding)
    assert entered.wait(20)
    other = host.database.write(lambda _connection: done.append("once"))
    with ThreadPoolExecutor() as pool:
        refusing = pool.submit(store.write, run_id, "a", b"x", written_by="1")
        until(lambda: host.database._writer._queue.qsize() == 2)
        release.set()
        refused(WrongState, "SR-STREAM-003", lambda: refusing.result(20))
    other.result(20)
    assert done == ["once"], "a batch in which a job fails is done again"


def test_the_chunks_of_a_run_go_with_it(host, run, run_id):
    write(host, run_id, "a", b"x", close=True)
    other = new_run(host.host.journals, 2)
    write(host, other.header.run_id, "a", b"y")
    header = ended(run)
    keeper = Retention(host.host, clock_ms=lambda: header.finished_at + 721 * HOUR_MS)
    assert keeper.sweep().runs == 1
    assert rows(host, run_id, "a") == []
    assert read(host, other.header.run_id, "a") == [b"y"]


def test_a_run_that_is_removed_while_its_stream_is_read_is_gone_and_not_tampered_with(host, run, run_id):
    write(host, run_id, "a", *[b"%d" % number for number in range(CHUNKS + 1)], close=True)
    header = ended(run)
    reader = host.host.stream_reader
    with reader.watch(run_id) as watch:
        reading = reader.follow(run_id, "a", 0, watch)
        assert [next(reading).opened() for _ in range(CHUNKS)][-1] == b"%d" % (CHUNKS - 1)
        assert Retention(host.host, clock_ms=lambda: header.finished_at + 721 * HOUR_MS).sweep().runs == 1
        refused(NotFound, "SR-RUN-001", lambda: next(reading))


def test_a_run_whose_header_was_changed_is_not_written_to(host, store, run_id):
    host.database.write(lambda c: c.exec_driver_sql("UPDATE runs SET workflow_name = 'forged'")).result()
    with pytest.raises(Tampered):
        store.write(run_id, "a", b"x", written_by="1")
    assert rows(host, run_id, "a") == []
