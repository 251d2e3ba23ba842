"""The beat of a host comes back while its work goes round, however slowly, and not when any part of it is wedged."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from strongroom.engine.work_loop import WorkLoop
from strongroom.errors import StorageFault, Unavailable

WAIT_S = 20
LOOK_S = 0.2
"""Long enough for a beat that nothing holds up; one that comes all the same fails the test whenever it does."""
FOR_EVER_S = 3600


class Threads(ThreadPoolExecutor):
    """Workers of one module, as many as a test can hold. ``moved_s`` is long ago."""

    moved_s = float("-inf")

    def __init__(self):
        super().__init__(1)


class Runs:
    """The runs of a host, as far as a beat goes through them."""

    def __init__(self):
        self.workers = [Threads(), Threads()]
        self.lock = threading.RLock()

    def __contains__(self, run_id):
        with self.lock:
            return False


class Host:
    """One host and its beats."""

    def __init__(self, database):
        self.runs, self.database = Runs(), database
        self.given_up = threading.Event()
        self.released = threading.Event()
        self.beats = ThreadPoolExecutor(1)

    def beat(self, busy_s=0.0):
        loop = WorkLoop(self.runs, self.database, busy_s=busy_s)
        return self.beats.submit(loop.go_round, self.given_up.is_set)

    def hold(self, submit):
        """Have a thread that does jobs do nothing else until the end of the test, or until ``released``."""
        held = threading.Event()

        def wait(_connection=None):
            held.set()
            self.released.wait(WAIT_S)

        submit(wait)
        assert held.wait(WAIT_S)


@pytest.fixture
def host(database):
    host = Host(database)
    yield host
    host.released.set()
    host.given_up.set()
    for each in (*host.runs.workers, host.beats):
        each.shutdown()


def is_out(beat):
    """Whether a beat has not come back by now."""
    with pytest.raises(TimeoutError):
        beat.result(LOOK_S)
    return True


def test_a_beat_of_an_idle_host_comes_back(host):
    assert host.beat().result(WAIT_S) is True


@pytest.mark.parametrize("part", ["the writer of the database", "the workers of one module", "the lock of the runs"])
def test_a_beat_does_not_come_back_from_what_is_wedged_and_does_once_it_goes_on(host, part):
    submits = {
        "the writer of the database": host.database.write,
        "the workers of one module": host.runs.workers[1].submit,
    }
    if part in submits:
        host.hold(submits[part])
        beat = host.beat()
        assert is_out(beat)
        host.released.set()
    else:
        with host.runs.lock:
            beat = host.beat()
            assert is_out(beat)
    assert beat.result(WAIT_S) is True


def test_workers_that_are_all_busy_with_runs_are_not_wedged_before_their_time(host):
    for workers in host.runs.workers:
        host.hold(workers.submit)
        workers.moved_s = 0.0
    assert host.beat(busy_s=float("inf")).result(WAIT_S) is True
    for workers in host.runs.workers:
        assert workers._work_queue.get_nowait().future.cancelled(), "a beat that nobody waits for is taken back"


def test_a_database_that_answers_with_an_error_answers(host):
    class Broken:
        def write(self, job):
            future = Future()
            future.set_exception(StorageFault("SR-STORE-001", "the database refused"))
            return future

    host.database = Broken()
    assert host.beat().result(WAIT_S) is True


def test_a_full_queue_is_tried_again(host):
    database, tried = host.database, threading.Event()

    class Full:
        def write(self, job):
            if tried.is_set():
                return database.write(job)
            tried.set()
            raise Unavailable("SR-STORE-007", "the database cannot keep up")

    host.database = Full()
    assert host.beat().result(WAIT_S) is True
    assert tried.is_set()


def test_nobody_waits_for_a_beat_that_is_given_up(host):
    host.hold(host.database.write)
    beat = host.beat()
    assert is_out(beat)
    host.given_up.set()
    assert beat.result(WAIT_S) is False


@pytest.mark.parametrize("part", ["database", "workers"])
def test_a_host_that_closes_has_no_beat(host, part):
    if part == "database":
        host.database.close()
    else:
        host.runs.workers[0].shutdown()
    assert host.beat().result(WAIT_S) is False
