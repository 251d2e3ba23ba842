"""Cancel asks and waits for what was sent; kill ends now. Both work wherever a run is, and both outlive a crash."""

import threading

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.limits import EngineLimits
from strongroom.errors import NotFound, StorageFault
from strongroom.storage.writer import Writer
from tests.fakes.scripted_guest import ACTION, WAIT_S, Guest, Holding, call, one_step, sleeper, types, until, waits
from tests.fakes.workflow_host import OWNER, Gate, WorkflowHost, value


def start(host, on_trigger):
    host.module.on_trigger = on_trigger
    host.register()
    return host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id


def asleep(host):
    run_id = start(host, sleeper(1000))
    until(lambda: run_id in host.engine.dispatcher._asleep)
    return run_id


def with_a_call(host):
    host.capabilities.found[ACTION] = Holding()
    run_id = start(host, one_step)
    waits(host, run_id)
    return run_id


def executing(host):
    gate = host.gate = Gate()
    run_id = start(host, gate)
    assert gate.entered.wait(WAIT_S)
    return run_id


PLACES = [asleep, with_a_call, executing]
STOPS = {
    "cancel": (lambda host, run_id: host.engine.cancel(run_id, "not needed", WAIT_S), "SR-RUN-015"),
    "kill": (lambda host, run_id: host.engine.kill(run_id, "not needed"), "SR-RUN-022"),
}


@pytest.fixture
def hasty(database):
    """A host that gives cancelled runs no grace."""
    made = WorkflowHost(database, limits=EngineLimits(cancel_grace_ms=1))
    yield made
    for capability in made.capabilities.found.values():
        capability.released.set()
    made.close()


@pytest.mark.parametrize("verb", STOPS)
@pytest.mark.parametrize("place", PLACES)
def test_a_run_is_stopped_wherever_it_is(hasty, place, verb):
    run_id = place(hasty)
    stop, code = STOPS[verb]
    header = stop(hasty, run_id)
    assert (header.status, header.error_code) == ("cancelled", code)
    assert hasty.engine.wait(run_id, WAIT_S)[1].failure.error == "not needed"
    assert hasty.engine.get(run_id) == header
    assert stop(hasty, run_id) == header, "asking twice is harmless"
    until(lambda: len(hasty.engine.dispatcher) == 0)
    assert hasty.engine.dispatcher.waiting == 0


@pytest.mark.parametrize("verb", STOPS)
def test_a_run_that_waits_for_a_worker_is_stopped(database, verb):
    host = WorkflowHost(database, limits=EngineLimits(runs_in_flight_max=1))
    executing(host)
    queued, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    stop, code = STOPS[verb]
    assert stop(host, queued.run_id).error_code == code
    assert len(host.module.executed) == 1
    host.gate.release.set()
    host.close()


@pytest.mark.parametrize("verb", STOPS)
def test_a_run_that_has_ended_stays_as_it_ended(host, verb):
    run_id = start(host, lambda request, helper: value("done"))
    ended, _ = host.engine.wait(run_id, WAIT_S)
    assert STOPS[verb][0](host, run_id) == ended
    with pytest.raises(NotFound):
        STOPS[verb][0](host, "wrun_nobody")


def test_a_wish_to_cancel_is_on_disk_and_outlives_a_crash(host):
    holding = Holding()
    host.capabilities.found[ACTION] = holding
    run_id = start(host, one_step)
    waits(host, run_id)
    assert host.engine.cancel(run_id, "not needed", 0).status == "waiting", "it waits for what was sent"
    assert types(host, run_id)[-1] == "cancel_requested"
    host.cut_off()
    after = WorkflowHost(host.database)
    after.engine.resume()
    header, outcome = after.engine.wait(run_id, WAIT_S)
    assert (header.status, outcome.failure.error) == ("cancelled", "not needed")
    assert after.module.executed == []
    holding.released.set()
    after.close()


def test_a_cancel_waits_for_what_was_sent_and_journals_its_answer(host):
    holding = Holding()
    host.capabilities.found[ACTION] = holding

    def patient(request, helper):
        guest = Guest(helper, patience_s=WAIT_S)
        guest.call(call(1))
        assert holding.entered.acquire(timeout=WAIT_S)
        return value(guest.answer(1)[0])

    run_id = start(host, patient)
    until(lambda: holding.references == ["1"])
    threading.Timer(0.05, holding.released.set).start()
    header = host.engine.cancel(run_id, "not needed", WAIT_S)
    assert header.status == "cancelled"
    assert types(host, run_id)[-3:] == ["cancel_requested", "step_completed", "run_cancelled"]


def test_nothing_leaves_after_a_wish_to_cancel(host):
    capability = Holding()
    capability.released.set()
    host.capabilities.found[ACTION] = capability
    asked = threading.Event()

    def goes_on(request, helper):
        guest = Guest(helper, patience_s=WAIT_S)
        asked.set()
        assert guest.stopped.wait(WAIT_S)
        helper.call_capability(call(1))
        return value("a result that is too late")

    run_id = start(host, goes_on)
    assert asked.wait(WAIT_S)
    assert host.engine.cancel(run_id, "not needed", WAIT_S).status == "cancelled"
    assert capability.references == []
    assert "step_created" not in types(host, run_id)


def test_answers_of_a_killed_run_are_dropped(host):
    holding = Holding()
    host.capabilities.found[ACTION] = holding
    run_id = start(host, one_step)
    waits(host, run_id)
    handle = host.engine.dispatcher.get(run_id)
    header = host.engine.kill(run_id, "now")
    holding.released.set()
    until(lambda: len(handle.calls) == 0)
    assert host.engine.get(run_id) == header
    assert len(host.host.journals.read(header)) == header.head_index + 1


def test_a_kill_stops_the_guest_without_grace(host):
    graces = []
    entered, release = threading.Event(), threading.Event()

    def on_trigger(request, helper):
        helper.on_cancel(lambda reason, grace_ms=-1: graces.append(grace_ms) or release.set())
        entered.set()
        assert release.wait(WAIT_S)
        return value("too late")

    run_id = start(host, on_trigger)
    assert entered.wait(WAIT_S)
    assert host.engine.kill(run_id, "now").status == "cancelled"
    until(lambda: graces == [0])


def test_a_wish_that_the_disk_does_not_take_is_not_acknowledged(host, monkeypatch):
    run_id = asleep(host)
    submit = Writer.submit

    def failing(self, job, *, may_wait=False):
        def fault(connection):
            raise StorageFault("SR-STORE-001", "the disk is full")

        return submit(self, fault, may_wait=may_wait)

    with monkeypatch.context() as broken:
        broken.setattr(Writer, "submit", failing)
        with pytest.raises(StorageFault):
            host.engine.cancel(run_id, "not needed", WAIT_S)
    assert host.engine.get(run_id).status == "waiting"
    assert "cancel_requested" not in types(host, run_id)
