"""A guest that waits is dropped, and is run again to where it was when what it waits for is there."""

import threading
import time

import pytest

from strongroom.engine import executor
from strongroom.engine.admission import Start
from strongroom.engine.limits import EngineLimits
from strongroom.errors import Unavailable
from strongroom.guest.limits import GuestLimits
from tests.fakes.scripted_guest import ACTION, WAIT_S, Guest, Holding, call, one_step, sleeper, types, until, waits
from tests.fakes.workflow_host import OWNER, WorkflowHost, value


@pytest.fixture
def holding(host):
    capability = Holding()
    host.capabilities.found[ACTION] = capability
    yield capability
    capability.released.set()


def start(host, on_trigger):
    host.module.on_trigger = on_trigger
    host.register()
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    return header.run_id


def test_a_run_that_waits_for_an_answer_is_woken_by_it_and_sends_nothing_twice(host, holding):
    run_id = start(host, one_step)
    waits(host, run_id)
    holding.released.set()
    header, outcome = host.engine.wait(run_id, WAIT_S)
    assert (header.status, outcome.result) == ("completed", value("answer 1"))
    assert holding.references == ["1"]
    assert types(host, run_id) == [
        "run_created",
        "run_started",
        "step_created",
        "run_suspended",
        "step_completed",
        "run_started",
        "run_completed",
    ]


def test_a_run_wakes_when_all_that_it_awaits_is_answered_and_not_before(host):
    first, second = Holding(), Holding()
    host.capabilities.found |= {ACTION: first, "other@1.0.0": second}

    def both(request, helper):
        guest = Guest(helper)
        guest.call(call(1))
        guest.call(call(2, capability="other@1.0.0"))
        return value(" ".join(guest.answer(1, 2)))

    run_id = start(host, both)
    waits(host, run_id)
    first.released.set()
    until(lambda: "step_completed" in types(host, run_id))
    assert host.engine.get(run_id).status == "waiting"
    second.released.set()
    assert host.engine.wait(run_id, WAIT_S)[1].result == value("answer 1 answer 2")
    assert len(host.module.executed) == 2, "it was executed again once, not for each answer"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_answer_that_comes_while_the_suspension_is_written_is_not_missed(host, holding, monkeypatch, moment):
    suspend = executor.suspend

    def racing(handle, suspended, limits):
        written = suspend(handle, suspended, limits) if moment == "after" else None
        holding.released.set()
        until(lambda: len(handle.calls) == 0)
        return written or suspend(handle, suspended, limits)

    monkeypatch.setattr(executor, "suspend", racing)
    run_id = start(host, one_step)
    assert host.engine.wait(run_id, WAIT_S)[1].result == value("answer 1")
    assert holding.references == ["1"]


def test_a_run_that_waits_for_a_slot_goes_on_when_any_call_has_ended(database):
    host = WorkflowHost(database, limits=EngineLimits(guest=GuestLimits(calls_in_flight_max=1)))
    capability = Holding()
    host.capabilities.found[ACTION] = capability

    def two(request, helper):
        guest = Guest(helper)
        guest.call(call(1))
        if len(host.module.executed) == 1:
            assert capability.entered.acquire(timeout=WAIT_S)
            guest.slot()
        guest.call(call(2))
        return value(" ".join(guest.answer(1, 2)))

    run_id = start(host, two)
    waits(host, run_id)
    capability.released.set()
    assert host.engine.wait(run_id, WAIT_S)[1].result == value("answer 1 answer 2")
    host.close()


def test_a_run_that_sleeps_costs_no_handle_and_goes_on_behind_its_sleep(host):
    run_id = start(host, sleeper(0.05))
    header, outcome = host.engine.wait(run_id, WAIT_S)
    assert outcome.result == value("slept 1")
    assert header.wake_at is None
    suspended = [each for each in host.host.journals.read(header) if each.row.event_type == "run_suspended"]
    assert len(suspended) == 1


def test_a_sleeping_run_is_a_few_bytes_with_its_time_of_waking_in_the_clear(host):
    before_ms = time.time() * 1000
    run_id = start(host, sleeper(100))
    until(lambda: run_id in host.engine.dispatcher._asleep)
    header = host.engine.get(run_id)
    assert header.wake_at >= before_ms + 99_000
    assert run_id not in host.engine.dispatcher._handles
    assert (len(host.engine.dispatcher), host.engine.dispatcher.waiting) == (1, 1)


def test_several_sleeps_are_slept_one_after_the_other(host):
    def thrice(request, helper):
        guest = Guest(helper)
        for _ in range(3):
            guest.sleep(0.01)
        return value("rested")

    run_id = start(host, thrice)
    assert host.engine.wait(run_id, WAIT_S)[1].result == value("rested")
    assert types(host, run_id).count("run_suspended") == 3


@pytest.mark.parametrize("asleep", [True, False], ids=["asleep", "with a call under way"])
def test_time_that_is_used_up_while_waiting_ends_a_run(database, asleep):
    host = WorkflowHost(database, limits=EngineLimits(run_timeout_ms=150))
    capability = Holding()
    host.capabilities.found[ACTION] = capability
    run_id = start(host, sleeper(1000) if asleep else one_step)
    header, outcome = host.engine.wait(run_id, WAIT_S)
    assert (header.status, header.error_code) == ("timed_out", "SR-RUN-023")
    assert "used up its time of 150 ms" in outcome.failure.error
    capability.released.set()
    until(lambda: len(host.engine.dispatcher) == 0)
    assert host.engine.get(run_id) == header, "an answer that comes too late changes nothing"
    host.close()


def test_waiting_runs_leave_room_for_others_up_to_their_own_limit(database):
    host = WorkflowHost(database, limits=EngineLimits(runs_queued_max=1, runs_waiting_max=2))
    for _ in range(2):
        run_id = start(host, sleeper(1000))
        until(lambda run_id=run_id: run_id in host.engine.dispatcher._asleep)
    with pytest.raises(Unavailable, match=r"2 runs are waiting: the limit limits\.runs_waiting_max is 2"):
        start(host, sleeper(1000))
    host.close()


def test_stopping_waits_for_a_run_that_somebody_waits_for_and_that_is_due(host):
    run_id = start(host, sleeper(0.2))
    ended = []
    waiting = threading.Thread(target=lambda: ended.append(host.engine.wait(run_id, WAIT_S)[0].status))
    waiting.start()
    until(lambda: run_id in host.engine.dispatcher._asleep and run_id in host.engine.dispatcher._waiters)
    assert host.engine.dispatcher.drain(WAIT_S)
    waiting.join(WAIT_S)
    assert ended == ["completed"]


def test_stopping_does_not_wait_for_runs_that_wait(host, holding):
    sleeping = start(host, sleeper(1000))
    until(lambda: sleeping in host.engine.dispatcher._asleep)
    assert host.engine.dispatcher.drain(WAIT_S)


def test_stopping_waits_for_answers_that_are_under_way_and_leaves_the_rest_to_the_next_start(host, holding):
    run_id = start(host, one_step)
    waits(host, run_id)
    assert not host.engine.dispatcher.drain(0.01)
    threading.Timer(0.01, holding.released.set).start()
    assert host.engine.dispatcher.drain(WAIT_S)
    host.cut_off()
    assert types(host, run_id)[-1] == "step_completed"
    after = WorkflowHost(host.database)
    after.module.on_trigger = one_step
    assert after.engine.resume() == 1
    assert after.engine.wait(run_id, WAIT_S)[1].result == value("answer 1")
    assert holding.references == ["1"]
    after.close()
