"""The watchdog kills a runner when its time is up, and only then."""

import threading
import time

import pytest

from strongroom.guest.watchdog import Watchdog

FAR_S = 3_600


class Runner:
    """All that a watchdog needs of one."""

    def __init__(self):
        self.killed = threading.Event()

    def kill(self):
        self.killed.set()


@pytest.fixture
def watchdog():
    made = Watchdog()
    yield made
    made.close()


def soon():
    return time.monotonic() + 0.02


def test_a_runner_whose_time_is_up_is_killed_and_those_after_it_in_their_turn(watchdog):
    late, early, last = Runner(), Runner(), Runner()
    watchdog.watch(late, time.monotonic() + FAR_S)
    watchdog.watch(early, soon())
    assert early.killed.wait(20)
    watchdog.watch(last, soon())
    assert last.killed.wait(20)
    assert not late.killed.is_set()


def test_time_that_was_shortened_is_up_earlier_and_is_never_made_longer(watchdog):
    runner, other = Runner(), Runner()
    watchdog.shorten(watchdog.watch(runner, time.monotonic() + FAR_S), soon())
    assert runner.killed.wait(20)
    watchdog.shorten(watchdog.watch(other, soon()), time.monotonic() + FAR_S)
    assert other.killed.wait(20)


def test_a_runner_that_was_left_alone_is_not_killed_not_even_by_a_wish_that_comes_late(watchdog):
    runner, witness = Runner(), Runner()
    over = watchdog.watch(runner, soon())
    watchdog.leave(over)
    watchdog.watch(runner, time.monotonic() + FAR_S)  # it works again
    watchdog.shorten(over, time.monotonic())
    watchdog.watch(witness, soon())
    assert witness.killed.wait(20)
    assert not runner.killed.is_set()


def test_a_closed_watchdog_ends_its_thread(watchdog):
    watchdog.watch(Runner(), time.monotonic() + FAR_S)
    watchdog.close()
    watchdog._thread.join(20)
    assert not watchdog._thread.is_alive()
