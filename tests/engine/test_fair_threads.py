"""Threads that several share are taken in turn, and never all of them by one."""

import threading
from concurrent.futures import CancelledError

import pytest

from strongroom.engine.fair_threads import FairThreads

WAIT_S = 60


@pytest.fixture
def made():
    threads = []

    def make(*arguments, **options):
        threads.append(FairThreads(*arguments, **options))
        return threads[-1]

    yield make
    for each in threads:
        each.shutdown(wait=False, cancel_futures=True)


def test_those_who_have_much_to_do_are_served_in_turn_with_those_who_have_little(made):
    threads, ran, begin = made(1, "test"), [], threading.Event()
    first = threads.submit(begin.wait, WAIT_S)
    jobs = [threads.submit_for("flood", lambda n=n: ran.append(f"flood {n}")) for n in range(1000)]
    jobs += [threads.submit_for("other", lambda n=n: ran.append(f"other {n}")) for n in range(3)]
    begin.set()
    assert first.result(WAIT_S)
    for job in jobs:
        job.result(WAIT_S)
    assert ran[:6] == ["flood 0", "other 0", "flood 1", "other 1", "flood 2", "other 2"]


def test_nobody_takes_every_thread_and_nobody_more_than_his_number(made):
    threads = made(8, "test", lambda who: {"few": 2}.get(who, 100))
    release, inside = threading.Event(), threading.Semaphore(0)

    def hold():
        inside.release()
        release.wait(WAIT_S)

    def has(who, count):
        for _ in range(20):
            threads.submit_for(who, hold)
        return all(inside.acquire(timeout=WAIT_S) for _ in range(count)) and not inside.acquire(timeout=0.1)

    assert has("few", 2)
    assert has("many", 5), "three times what is left free at most"
    assert has("newcomer", 1)
    release.set()


def test_a_job_that_waits_can_be_taken_back(made):
    threads, begin = made(1, "test"), threading.Event()
    threads.submit(begin.wait, WAIT_S)
    ran = []
    job = threads.submit_for("a", lambda: ran.append(1))
    assert job.cancel()
    begin.set()
    threads.shutdown()
    assert ran == []


def test_what_a_job_raises_is_its_answer_and_the_thread_goes_on(made):
    threads = made(1, "test")
    with pytest.raises(ZeroDivisionError):
        threads.submit_for("a", lambda: 1 / 0).result(WAIT_S)
    assert threads.submit_for("a", lambda: 7).result(WAIT_S) == 7


@pytest.mark.parametrize("cancel", [False, True], ids=["what waits is done", "what waits is given up"])
def test_once_shut_it_takes_nothing_more(made, cancel):
    threads, begin = made(1, "test"), threading.Event()
    threads.submit(begin.wait, WAIT_S)
    job = threads.submit_for("a", lambda: 7)
    threads.shutdown(wait=False, cancel_futures=cancel)
    with pytest.raises(RuntimeError):
        threads.submit_for("a", lambda: 8)
    begin.set()
    if cancel:
        with pytest.raises(CancelledError):
            job.result(WAIT_S)
    else:
        assert job.result(WAIT_S) == 7
