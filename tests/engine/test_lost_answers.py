"""A start that was stored and told to have failed stands: it is executed when it is repeated, and needs no room."""

from concurrent.futures import Future

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.catalog import Catalog
from strongroom.engine.limits import EngineLimits
from strongroom.engine.runids import new_run_id
from strongroom.errors import Conflict, Unavailable
from strongroom.storage.writer import Writer
from tests.fakes.scripted_guest import WAIT_S, sleeper, trigger_payload, until, waits
from tests.fakes.workflow_host import OWNER, Gate, WorkflowHost, value


@pytest.fixture
def lost(monkeypatch):
    """Call something whose writes happen while their answers are lost, as with a connection that breaks."""
    submit = Writer.submit

    def submitted(self, job, *, may_wait=False):
        submit(self, job, may_wait=may_wait).result()
        told = Future()
        told.set_exception(Unavailable("SR-STORE-004", "the connection was lost"))
        return told

    def call(function):
        with monkeypatch.context() as broken:
            broken.setattr(Writer, "submit", submitted)
            with pytest.raises(Unavailable, match="the connection was lost"):
                function()

    return call


def wish(run_id="", **rest):
    return Start(owner=OWNER, workflow="wf", json=b"1", run_id=run_id, **rest)


def test_a_start_that_was_stored_and_told_to_have_failed_is_executed_when_it_is_repeated(host, lost):
    host.register()
    again = wish(new_run_id())
    lost(lambda: host.engine.start(again))
    assert len(host.engine.dispatcher) == 0
    header, created = host.engine.start(again)
    assert (header.run_id, created) == (again.run_id, False)
    assert host.engine.wait(again.run_id, WAIT_S)[1].result == value("done")
    assert host.engine.start(again)[0].status == "completed"
    assert len(host.module.executed) == 1


def test_an_event_whose_run_was_stored_and_told_to_have_failed_is_executed_when_it_comes_again(host, lost):
    spec = host.register().spec
    lost(lambda: host.engine.accept(spec, 0, "event", trigger_payload()))
    header, created = host.engine.accept(spec, 0, "event", trigger_payload())
    assert created is False
    assert host.engine.wait(header.run_id, WAIT_S)[0].status == "completed"
    assert len(host.module.executed) == 1


def test_it_is_executed_also_when_its_workflow_was_paused_meanwhile(host, lost):
    host.register()
    again = wish(new_run_id())
    lost(lambda: host.engine.start(again))
    Catalog(host.host).pause(OWNER, "wf")
    assert host.engine.start(again)[1] is False
    assert host.engine.wait(again.run_id, WAIT_S)[0].status == "completed"


def test_a_run_that_this_host_executes_or_has_asleep_is_not_taken_up_again(host):
    host.module.on_trigger = gate = Gate()
    host.register()
    run_id = host.engine.start(wish(new_run_id()))[0].run_id
    assert gate.entered.wait(WAIT_S)
    assert host.engine.start(wish(run_id))[1] is False
    assert len(host.engine.dispatcher) == 1
    gate.release.set()
    host.engine.wait(run_id, WAIT_S)
    host.module.on_trigger = sleeper(1000)
    asleep = host.engine.start(wish(new_run_id()))[0].run_id
    waits(host, asleep)
    assert host.engine.start(wish(asleep))[1] is False
    assert len(host.engine.dispatcher) == 1
    host.engine.kill(asleep, "enough")
    assert len(host.module.executed) == 2


@pytest.mark.parametrize("why", ["the queue is full", "the host is stopping"])
def test_what_stands_is_found_although_there_is_room_for_nothing_more(database, why):
    host = WorkflowHost(database, limits=EngineLimits(runs_queued_max=1))
    spec = host.register().spec
    first = wish(new_run_id())
    host.engine.start(first)
    ended, _ = host.engine.wait(first.run_id, WAIT_S)
    event, _ = host.engine.accept(spec, 0, "event", trigger_payload())
    host.engine.wait(event.run_id, WAIT_S)
    until(lambda: len(host.engine.dispatcher) == 0)
    host.module.on_trigger = gate = Gate()
    if why == "the queue is full":
        host.engine.start(wish())
    else:
        host.engine.dispatcher.drain(0)
    try:
        assert host.engine.start(first) == (ended, False)
        assert host.engine.accept(spec, 0, "event", trigger_payload())[0].run_id == event.run_id
        with pytest.raises(Unavailable, match="accepted and not finished" if "full" in why else "stopping"):
            host.engine.start(wish(new_run_id()))
        with pytest.raises(Conflict):
            host.engine.start(Start(owner=OWNER, workflow="wf", json=b"2", run_id=first.run_id))
    finally:
        gate.release.set()
        host.close()
