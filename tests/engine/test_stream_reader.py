"""A stream is read from anywhere, nothing missing and nothing twice, and whoever reads it is told of its end."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from strongroom.engine.lifecycle import RunEvent
from strongroom.engine.stream_reader import CHUNKS, StreamInfo
from strongroom.errors import KeyMissing, NotFound, Truncated
from strongroom.storage.database import Database
from tests.fakes.journalled import ended, new_run
from tests.fakes.streamed import read, write
from tests.fakes.workflow_host import WorkflowHost

WAIT_S = 20
FIVE = [b"chunk %d" % number for number in range(5)]


@pytest.fixture
def run(host):
    return new_run(host.host.journals)


@pytest.fixture
def run_id(run):
    return run.header.run_id


@pytest.fixture
def reader(host):
    return host.host.stream_reader


def test_the_rest_of_a_stream_comes_from_any_index_on(host, run_id):
    written = [b"%d" % number for number in range(2 * CHUNKS + 5)]
    write(host, run_id, "a", *written, close=True)
    for start in (0, 1, CHUNKS, CHUNKS + 1, 2 * CHUNKS + 3, 9_000):
        assert read(host, run_id, "a", start, is_followed=True) == [*written, b""][start:]


def test_below_zero_an_index_counts_from_the_end(host, run_id):
    for close in (False, True):
        write(host, run_id, f"{close}", *FIVE, close=close)
        for start, first in ((-1, 4), (-2, 3), (-5, 0), (-6, 0), (-(2**62), 0)):
            assert read(host, run_id, f"{close}", start) == FIVE[first:] + [b""] * close


def test_a_reader_that_comes_again_and_again_gets_everything_once(host, run_id, reader):
    write(host, run_id, "a", *FIVE, close=True)
    whole = read(host, run_id, "a")
    for cut in range(len(whole) + 1):
        with reader.watch(run_id) as watch:
            stream = reader.follow(run_id, "a", 0, watch)
            first = [next(stream).opened() for _ in range(cut)]
            stream.close()
        assert first + read(host, run_id, "a", cut) == whole


def test_chunks_are_seen_as_they_are_written_until_the_last_one(host, run_id, reader):
    seen, came = [], threading.Semaphore(0)

    def follow():
        with reader.watch(run_id) as watch:
            for chunk in reader.follow(run_id, "a", 0, watch):
                seen.append((chunk.row.index, chunk.opened(), chunk.final))
                came.release()

    with ThreadPoolExecutor() as pool:
        done = pool.submit(follow)
        for number in range(3):
            write(host, run_id, "a", b"%d" % number, by=f"{number}.", close=number == 2)
            assert came.acquire(timeout=WAIT_S)
        done.result(WAIT_S)
    assert seen == [(0, b"0", False), (1, b"1", False), (2, b"2", False), (3, b"", True)]


def test_a_run_that_ends_ends_those_who_follow_its_streams(host, run, run_id):
    write(host, run_id, "closed", b"x", close=True)
    write(host, run_id, "open", b"x")
    with ThreadPoolExecutor() as pool:
        following = pool.submit(read, host, run_id, "open", 0, is_followed=True)
        never = pool.submit(read, host, run_id, "never", 0, is_followed=True)
        ended(run, RunEvent.FAILED)
        with pytest.raises(Truncated) as caught:
            following.result(WAIT_S)
        assert caught.value.code == "SR-STREAM-006"
        assert caught.value.details["chunks"] == 1
        with pytest.raises(NotFound):
            never.result(WAIT_S)
    assert read(host, run_id, "closed", is_followed=True) == [b"x", b""]


def test_a_stream_without_its_end_is_given_out_before_it_is_called_truncated(host, run, run_id, reader):
    write(host, run_id, "a", *FIVE)
    assert read(host, run_id, "a") == FIVE, "while the run goes on, there is nothing wrong with that"
    assert reader.page(run_id, "a", 0, 10)[1] is False
    ended(run)
    came = []
    with reader.watch(run_id) as watch, pytest.raises(Truncated):
        came += (chunk.opened() for chunk in reader.follow(run_id, "a", 0, watch, is_followed=False))
    page, more = reader.page(run_id, "a", 0, 10)
    assert ([chunk.opened() for chunk in page], more) == (FIVE, True)
    for start in (5, 9_000):
        with pytest.raises(Truncated):
            reader.page(run_id, "a", start, 10)


def test_pages_say_whether_there_is_more(host, run_id, reader):
    write(host, run_id, "a", *FIVE, close=True)
    assert [
        ([c.row.index for c in page], more) for page, more in (reader.page(run_id, "a", n, 3) for n in (0, 3, 6))
    ] == [
        ([0, 1, 2], True),
        ([3, 4, 5], False),
        ([], False),
    ]


def test_how_streams_stand_is_listed_by_name(host, run, run_id, reader):
    write(host, run_id, "b", b"12345", b"678", close=True)
    write(host, run_id, "a", b"1")
    write(host, run_id, "c", close=True)
    host.host.stream_store.write(run_id, "d", b"last", written_by="1", last=True)
    expected = [
        StreamInfo("a", 1, 1, closed=False, stored=1),
        StreamInfo("b", 2, 8, closed=True, stored=3),
        StreamInfo("c", 0, 0, closed=True, stored=1),
        StreamInfo("d", 1, 4, closed=True, stored=1),
    ]
    assert list(reader.infos(run_id, limit=10)) == expected
    assert list(reader.infos(run_id, after="b", limit=1)) == expected[2:3]
    assert [reader.info(run_id, each.name) for each in expected] == expected


def test_what_is_not_there_is_said_to_be_missing(host, run_id, reader):
    for call in (
        lambda: read(host, run_id, "a"),
        lambda: reader.info(run_id, "a"),
        lambda: reader.page(run_id, "a", 0, 1),
    ):
        with pytest.raises(NotFound) as caught:
            call()
        assert caught.value.code == "SR-STREAM-005"
    with pytest.raises(NotFound) as caught:
        reader.page("wrun_nobody", "a", 0, 1)
    assert caught.value.code == "SR-RUN-001"


def test_without_the_key_of_its_run_a_stream_is_not_opened(host, run_id, url):
    write(host, run_id, "a", b"x")
    database = Database.open(url)
    other = WorkflowHost(database, secret="2:" + "t" * 43)
    try:
        with pytest.raises(KeyMissing):
            read(other, run_id, "a")
    finally:
        other.close()
        database.close()


def test_a_slow_reader_keeps_nobody_from_writing(host, run_id, reader):
    write(host, run_id, "a", *FIVE)
    with reader.watch(run_id) as watch:
        stream = reader.follow(run_id, "a", 0, watch)
        assert next(stream).opened() == FIVE[0]
        write(host, run_id, "a", *FIVE, by="more", close=True)
        assert [chunk.opened() for chunk in stream] == [*FIVE[1:], *FIVE, b""]


def test_whoever_goes_away_is_let_go(host, run_id, reader):
    write(host, run_id, "a", *FIVE)
    with ThreadPoolExecutor() as pool, reader.watch(run_id) as watch:
        following = pool.submit(lambda: list(reader.follow(run_id, "a", 0, watch)))
        watch.close()
        assert len(following.result(WAIT_S)) <= len(FIVE)
    assert len(host.host.journals.streams) == 0
