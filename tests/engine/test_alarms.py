"""Runs are woken in the order of their times, and not faster than there is room for them."""

import threading
import time

import pytest

from strongroom.engine import alarms
from strongroom.engine.alarms import Alarms

WAIT_S = 60


@pytest.fixture
def rung():
    """What was woken, and an alarm clock that writes it down."""
    woken, changed, room, dead = [], threading.Semaphore(0), threading.Event(), set()
    room.set()

    def wake(run_id, token):
        woken.append((run_id, token))
        changed.release()

    clock = Alarms(
        "test-alarms",
        wake,
        owner_of=lambda run_id: run_id.partition("@")[2],
        has_room=lambda owner: bool(owner) or room.is_set(),
        is_live=lambda run_id, token: run_id not in dead,
    )
    clock.woken, clock.changed, clock.room, clock.dead = woken, changed, room, dead
    yield clock
    clock.close()


def wait_for(clock, number):
    for _ in range(number):
        assert clock.changed.acquire(timeout=WAIT_S)


def test_alarms_go_off_in_the_order_of_their_times(rung):
    now_s = time.monotonic()
    for token, offset_s in enumerate((0.06, 0.02, 0.04)):
        rung.set(f"run {token}", token, now_s + offset_s)
    wait_for(rung, 3)
    assert rung.woken == [("run 1", 1), ("run 2", 2), ("run 0", 0)]


def test_equal_times_go_off_in_the_order_in_which_they_were_set(rung):
    rung.room.clear()
    for token in range(20):
        rung.set("run", token, 0.0)
    rung.room.set()
    wait_for(rung, 20)
    assert [token for _, token in rung.woken] == list(range(20))


def test_an_earlier_alarm_overtakes_one_that_is_waited_for(rung):
    rung.set("late", 1, time.monotonic() + 1000)
    rung.set("soon", 2, time.monotonic())
    wait_for(rung, 1)
    assert rung.woken == [("soon", 2)]


def test_nobody_is_woken_while_there_is_no_room(rung):
    rung.room.clear()
    rung.set("run", 1, 0.0)
    assert not rung.changed.acquire(timeout=0.03)
    rung.room.set()
    wait_for(rung, 1)


def test_stale_alarms_take_no_memory_for_long(rung, monkeypatch):
    monkeypatch.setattr(alarms, "STALE_MIN", 10)
    rung._sweep_at = 10
    rung.dead.add("ended")
    for token in range(1000):
        rung.set("waits" if token % 100 == 0 else "ended", token, time.monotonic() + 1000)
    assert len(rung) < 40


def test_a_closed_clock_wakes_nobody(rung):
    rung.set("run", 1, time.monotonic() + 0.02)
    rung.close()
    rung.set("run", 2, 0.0)
    assert not rung.changed.acquire(timeout=0.05)
    assert len(rung) == 0
