"""A run has one open journal at a time, whoever holds it; one that was lost is opened anew by who needs it."""

import threading

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.event_types import TIME_READ
from strongroom.engine.handles import RunHandle
from strongroom.engine.limits import EngineLimits
from strongroom.engine.run_journal import RunJournal
from strongroom.errors import NotFound, StorageFault
from strongroom.storage import journal as events
from strongroom.storage import runs as rows
from tests.fakes.scripted_guest import ACTION, WAIT_S, Guest, Holding, one_step, sleeper, types, until, waits
from tests.fakes.workflow_host import OWNER, Gate, WorkflowHost, value

STOPS = {
    "cancel": lambda host, run_id: host.engine.cancel(run_id, "not needed", WAIT_S),
    "kill": lambda host, run_id: host.engine.kill(run_id, "not needed"),
}


def start(host, on_trigger):
    host.module.on_trigger = on_trigger
    host.register()
    return host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id


def asleep(host):
    run_id = start(host, sleeper(1000))
    until(lambda: run_id in host.engine.dispatcher._asleep)
    return run_id


def with_a_call(host):
    host.capabilities.found[ACTION] = host.holding = Holding()
    run_id = start(host, one_step)
    waits(host, run_id)
    return run_id


def executing(host):
    host.gate = Gate()
    run_id = start(host, host.gate)
    assert host.gate.entered.wait(WAIT_S)
    return run_id


@pytest.mark.parametrize("verb", STOPS)
def test_who_stops_a_run_that_fell_asleep_and_was_woken_meanwhile_finds_its_new_journal(
    host, monkeypatch, open_journals, verb
):
    begun, go = threading.Event(), threading.Event()

    def guest(request, helper):
        if helper.sleeps_done == 0:
            begun.set()
            assert go.wait(WAIT_S)
        Guest(helper).sleep(0.05)
        return value("completed all the same")

    run_id = start(host, guest)
    assert begun.wait(WAIT_S)
    dispatcher = host.engine.dispatcher
    found = dispatcher.get(run_id)
    read, get, stopped, looks = RunHandle.read, dispatcher.get, [], [found]

    def looked_up(wanted):
        return looks.pop() if looks else get(wanted)

    def reading(self, journals):
        """The woken run has read its journal when the wish to stop is written by who found it before."""
        known = read(self, journals)
        if self is not found and not stopped:
            monkeypatch.setattr(dispatcher, "get", looked_up)
            wish = STOPS[verb] if verb == "kill" else lambda *of_run: host.engine.cancel(run_id, "not needed", 0)
            stopped.append(wish(host, run_id))
        return known

    monkeypatch.setattr(RunHandle, "read", reading)
    go.set()
    header, _ = host.engine.wait(run_id, WAIT_S)
    assert found.retired
    assert not looks, "the handle from before was held"
    assert header.status == "cancelled", "what was acknowledged is so"
    assert types(host, run_id)[-1] == "run_cancelled"
    assert open_journals == []


def test_a_handle_that_fell_asleep_appends_nothing_and_opens_nothing(host):
    run_id = start(host, gate := Gate())
    assert gate.entered.wait(WAIT_S)
    handle = host.engine.dispatcher.get(run_id)
    host.module.on_trigger = sleeper(1000)
    gate.release.set()
    host.engine.wait(run_id, WAIT_S)
    until(lambda: handle.retired)
    with pytest.raises(StorageFault, match="the journal of a run was not written"):
        handle.opened(host.host.journals)
    with pytest.raises(StorageFault, match="the journal of a run was not written"):
        handle.held_journal().note(TIME_READ, "t0", b"", may_wait=True)


@pytest.mark.parametrize("verb", STOPS)
@pytest.mark.parametrize("place", [asleep, with_a_call, executing])
def test_a_run_is_stopped_as_soon_as_the_disk_is_well_again(database, disk, open_journals, place, verb):
    hasty = WorkflowHost(database, limits=EngineLimits(cancel_grace_ms=1))
    run_id = place(hasty)
    assert disk(lambda: STOPS[verb](hasty, run_id)).code in {"SR-RUN-019", "SR-STORE-001"}
    header = STOPS[verb](hasty, run_id)
    assert header.status == "cancelled"
    assert types(hasty, run_id)[-1] == "run_cancelled"
    assert open_journals == []
    if place is with_a_call:
        hasty.holding.released.set()
    hasty.close()


@pytest.mark.parametrize("how", ["fails", "refuses"])
def test_an_answer_that_comes_after_a_failed_write_is_kept(host, disk, how):
    host.capabilities.once = {ACTION}
    run_id = with_a_call(host)
    disk(lambda: host.engine.kill(run_id, "x"), how)
    host.holding.released.set()
    header, outcome = host.engine.wait(run_id, WAIT_S)
    assert (header.status, outcome.result) == ("completed", value("answer 1"))
    assert host.holding.references == ["1"]
    assert types(host, run_id).count("step_completed") == 1


def test_an_answer_whose_write_fails_is_kept_and_not_asked_for_again(host, monkeypatch):
    host.capabilities.once = {ACTION}
    host.capabilities.found[ACTION] = holding = Holding()
    note, failed = RunJournal.note, []

    def noting(self, event_type, *event, **how):
        if event_type == "step_completed" and not failed:
            failed.append(self)
            self.close()
        return note(self, event_type, *event, **how)

    monkeypatch.setattr(RunJournal, "note", noting)
    holding.released.set()
    run_id = start(host, one_step)
    header, outcome = host.engine.wait(run_id, WAIT_S)
    assert failed
    assert (header.status, outcome.result) == ("completed", value("answer 1"))
    assert holding.references == ["1"]


def test_a_run_that_is_deleted_while_its_end_is_read_is_not_there(host):
    run_id = start(host, lambda request, helper: value("done"))
    header, _ = host.engine.wait(run_id, WAIT_S)
    host.database.write(lambda c: (rows.delete(c, run_id), events.delete(c, run_id))).result()
    with pytest.raises(NotFound, match=run_id):
        host.engine._outcome(header)
    with pytest.raises(NotFound, match=run_id):
        host.host.journals.read(header)


def test_a_queued_run_that_two_cancel_at_once_is_ended_by_one_of_them(host, monkeypatch):
    dispatcher = host.engine.dispatcher
    gates = [Gate() for _ in range(host.host.limits.runs_in_flight_max)]
    for gate in gates:
        start(host, gate)
        assert gate.entered.wait(WAIT_S)
    run_id = start(host, lambda request, helper: value("done"))
    handle, worked, work = dispatcher.get(run_id), [], dispatcher._work
    handle.cancel.set("not needed")

    def working(taken):
        worked.append(taken)
        dispatcher.hasten(handle)
        work(taken)

    monkeypatch.setattr(dispatcher, "_work", working)
    dispatcher.hasten(handle)
    for gate in gates:
        gate.release.set()
    assert host.engine.wait(run_id, WAIT_S)[0].status == "cancelled"
    assert worked == [handle]
