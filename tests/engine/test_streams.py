"""A run is followed from anywhere, nothing missing and nothing twice, and whoever goes away leaves nothing behind."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from strongroom.engine.history import STREAM_EVENTS, History
from strongroom.engine.journal import Journals
from strongroom.engine.run_journal import RunJournal
from strongroom.engine.streams import LOOK_S, Streams
from strongroom.errors import NotFound, Tampered
from strongroom.storage import journal as event_rows
from strongroom.storage import runs
from tests.fakes.journalled import ended, logged, new_run

WAIT_S = 20


@pytest.fixture
def journals(host):
    return host.host.journals


@pytest.fixture
def history(journals):
    return History(journals)


def indexes(history, run_id, start=0):
    with history.watch(run_id) as watch:
        return [event.row.index for event in history.follow(run_id, start, watch)]


@pytest.mark.parametrize("start", [0, 1, STREAM_EVENTS, STREAM_EVENTS + 1, 2 * STREAM_EVENTS + 3, 9_000])
def test_the_events_of_a_run_that_has_ended_come_from_any_index_on(journals, history, start):
    journal = new_run(journals)
    for number in range(2 * STREAM_EVENTS):
        logged(journal, f"line {number}")
    last = ended(journal).head_index
    assert indexes(history, journal.header.run_id, start) == list(range(start, last + 1))


def test_events_are_seen_as_they_are_stored_until_the_end(journals, history):
    journal = new_run(journals)
    run_id = journal.header.run_id
    seen, came = [], threading.Semaphore(0)

    def watcher():
        with history.watch(run_id) as watch:
            for event in history.follow(run_id, 0, watch):
                seen.append(event.row.index)
                came.release()

    with ThreadPoolExecutor() as pool:
        done = pool.submit(watcher)
        assert came.acquire(timeout=WAIT_S)
        for number in range(5):
            logged(journal, str(number))
            assert came.acquire(timeout=WAIT_S)
        assert seen == [0, 1, 2, 3, 4, 5]
        ended(journal)
        done.result(WAIT_S)
    assert seen == list(range(8))
    assert len(journals.streams) == 0


def test_many_watchers_that_are_cut_anywhere_miss_nothing_and_see_nothing_twice(journals, history):
    journal = new_run(journals)
    run_id = journal.header.run_id

    def watcher(patience):
        seen = []
        while True:
            with history.watch(run_id) as watch:
                for event in history.follow(run_id, len(seen), watch):
                    seen.append(event.row.index)
                    if len(seen) % patience == 0:
                        break
                else:
                    return seen

    with ThreadPoolExecutor(8) as pool:
        watchers = [pool.submit(watcher, patience) for patience in range(1, 9)]
        for number in range(60):
            logged(journal, str(number))
        last = ended(journal).head_index
        for each in watchers:
            assert each.result(WAIT_S) == list(range(last + 1))
    assert len(journals.streams) == 0


def test_what_another_host_writes_is_seen_a_moment_later(journals, history, host):
    journal = new_run(journals)
    run_id = journal.header.run_id
    elsewhere = RunJournal(Journals(host.database, journals.run_keys, host.keys), journal.header)
    with ThreadPoolExecutor() as pool:
        seen = pool.submit(indexes, history, run_id)
        logged(elsewhere, "a")
        ended(elsewhere)
        assert seen.result(WAIT_S + LOOK_S) == [0, 1, 2, 3]


def test_a_watch_that_is_closed_ends_the_wait_at_once(journals, history):
    run_id = new_run(journals).header.run_id
    with history.watch(run_id) as watch:
        following = history.follow(run_id, 0, watch)
        assert next(following).row.index == 0
        watch.close()
        assert list(following) == []


def test_a_watch_that_was_closed_stays_so():
    with Streams().watch("run") as watch:
        watch.close()
        watch.seen()
        watch.wait()
        assert watch.closed


def test_a_ring_without_watchers_keeps_nothing():
    streams = Streams()
    streams.ring("run")
    assert len(streams) == 0


def test_news_between_the_look_and_the_wait_is_not_lost():
    streams = Streams()
    with streams.watch("run") as watch, streams.watch("run") as other:
        watch.seen()
        streams.ring("run")
        assert watch._news.is_set()
        assert other._news.is_set()


def test_a_run_that_goes_away_ends_its_stream_with_the_reason(journals, history, host):
    journal = new_run(journals)
    run_id = journal.header.run_id
    with history.watch(run_id) as watch:
        following = history.follow(run_id, 0, watch)
        next(following)
        ended(journal)
        host.database.write(lambda c: (runs.delete(c, run_id), event_rows.delete(c, run_id))).result()
        with pytest.raises(NotFound, match="there is no run"):
            list(following)


def test_a_changed_event_is_marked_in_a_stream_and_ends_an_export(journals, history, host):
    journal = new_run(journals)
    logged(journal, "a")
    header = ended(journal)
    host.database.write(
        lambda c: c.exec_driver_sql("UPDATE run_events SET correlation_id = 'x' WHERE event_type = 'log_written'")
    ).result()
    with history.watch(header.run_id) as watch:
        opened = [event.content is not None for event in history.follow(header.run_id, 0, watch)]
    assert opened == [True, False, True, True]
    with pytest.raises(Tampered):
        list(history.stored(header))


def test_a_run_that_is_removed_while_it_is_read_is_gone_and_not_tampered_with(journals, history, host):
    journal = new_run(journals)
    for number in range(3 * STREAM_EVENTS):
        logged(journal, str(number))
    header = ended(journal)
    reading = history.stored(header)
    next(reading)
    host.database.write(lambda c: (runs.delete(c, header.run_id), event_rows.delete(c, header.run_id))).result()
    with pytest.raises(NotFound, match="there is no run"):
        list(reading)
