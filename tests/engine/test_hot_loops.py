"""A runner that says that its guest waits, again and again, is slowed down and comes to an end."""

import itertools
import time

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.limits import EngineLimits
from strongroom.errors import GuestSuspended
from tests.fakes.scripted_guest import WAIT_S, types, until
from tests.fakes.workflow_host import OWNER, WorkflowHost

FLOOR_MS = 60


def slot(request, helper):
    raise GuestSuspended(slot=True)


def slept_long_ago(request, helper):
    raise GuestSuspended(sleep_until_unix_ns=1, sleeps_done=0)


def sleeps_now(request, helper):
    raise GuestSuspended(sleep_until_unix_ns=time.time_ns(), sleeps_done=0)


def awaits_nothing(request, helper):
    raise GuestSuspended


LOOPS = [slot, slept_long_ago, sleeps_now, awaits_nothing]


def start(host, loop):
    moments = []

    def on_trigger(request, helper):
        moments.append(time.monotonic())
        return loop(request, helper)

    host.module.on_trigger = on_trigger
    host.register()
    return host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id, moments


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
def test_a_guest_is_not_executed_again_sooner_than_it_could_have_waited(database, loop):
    host = WorkflowHost(database, limits=EngineLimits(suspend_after_ms=FLOOR_MS))
    run_id, moments = start(host, loop)
    until(lambda: len(moments) >= 5)
    host.engine.kill(run_id, "enough")
    # A moment is taken after the engine's own, so a little may be missing.
    gaps_ms = [1000 * (after - before) for before, after in itertools.pairwise(moments)]
    assert min(gaps_ms) > FLOOR_MS / 2, gaps_ms
    host.close()


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
def test_suspensions_have_a_limit(database, loop):
    host = WorkflowHost(database, limits=EngineLimits(suspend_after_ms=1, steps_max=7))
    run_id, moments = start(host, loop)
    header, outcome = host.engine.wait(run_id, WAIT_S)
    assert (header.status, header.error_code) == ("failed", "SR-RUN-062")
    assert "suspended 7 times, as often as a run may" in outcome.failure.error
    assert "limits.steps_max" in outcome.failure.help
    assert types(host, run_id).count("run_suspended") == 7
    assert len(moments) == 8
    host.close()


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
def test_a_run_that_is_held_back_is_cancelled_at_once(database, loop):
    host = WorkflowHost(database, limits=EngineLimits(suspend_after_ms=200_000))
    run_id, moments = start(host, loop)
    until(lambda: host.engine.get(run_id).status == "waiting")
    assert host.engine.cancel(run_id, "enough", WAIT_S).status == "cancelled"
    assert len(moments) == 1
    host.close()
