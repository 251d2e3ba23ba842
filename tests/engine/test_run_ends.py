"""Runs that are cancelled, cut off, raced for, or meet a disk that is full."""

import threading

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.limits import EngineLimits
from strongroom.engine.run_journal import RunJournal
from strongroom.errors import (
    StorageFault,
    TimedOut,
    Unavailable,
)
from strongroom.modules.module import Backend
from tests.fakes.workflow_host import OWNER, Gate, WorkflowHost, value

WAIT_S = 60


def start(host, **wish):
    return host.engine.start(Start(owner=OWNER, workflow=wish.pop("workflow", "wf"), **wish))


def execute(host, **wish):
    header, _ = start(host, **wish)
    return host.engine.wait(header.run_id, WAIT_S)


def test_a_running_run_is_cancelled_on_request(host):
    from strongroom.errors import Cancelled

    gate = Gate()
    host.register()

    def on_trigger(request, helper):
        gate(request, helper)
        raise Cancelled("SR-RUN-015", gate.reason)

    host.module.on_trigger = on_trigger
    header, _ = start(host)
    assert gate.entered.wait(WAIT_S)
    cancelled = host.engine.cancel(header.run_id, "not needed", WAIT_S)
    assert cancelled.status == "cancelled"
    assert host.engine.wait(header.run_id, 1)[1].failure.error == "not needed"
    assert host.engine.cancel(header.run_id, "again", WAIT_S).status == "cancelled", "asking twice is harmless"


def test_a_caller_that_waits_too_short_does_not_stop_the_run(host):
    gate = Gate()
    host.register()
    host.module.on_trigger = gate
    header, _ = start(host)
    with pytest.raises(TimedOut, match="has not ended within the deadline"):
        host.engine.wait(header.run_id, 0)
    gate.release.set()
    assert host.engine.wait(header.run_id, WAIT_S)[0].status == "completed"


def test_a_full_host_refuses_before_it_accepts(database):
    host = WorkflowHost(database, limits=EngineLimits(runs_queued_max=1))
    gate = Gate()
    host.module.on_trigger = gate
    host.register()
    start(host)
    with pytest.raises(Unavailable, match=r"the limit limits\.runs_queued_max is 1"):
        start(host)
    gate.release.set()
    host.close()
    with pytest.raises(Unavailable, match="this host is stopping"):
        start(host)


def test_many_starts_of_one_event_make_one_run(host):
    host.register()
    found, threads = [], []
    barrier = threading.Barrier(8)

    def race():
        barrier.wait()
        found.append(start(host, event_id="evt"))

    for _ in range(8):
        threads.append(threading.Thread(target=race))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len({header.run_id for header, _ in found}) == 1
    assert [created for _, created in found].count(True) == 1
    host.engine.wait(found[0][0].run_id, WAIT_S)
    assert len(host.module.executed) == 1


def test_an_unfinished_run_goes_on_after_a_restart(host):
    host.register()
    gate = Gate()
    host.module.on_trigger = gate
    header, _ = start(host)
    assert gate.entered.wait(WAIT_S)
    host.cut_off()

    after = WorkflowHost(host.database)
    assert after.engine.resume() == 1
    finished, outcome = after.engine.wait(header.run_id, WAIT_S)
    assert finished.status == "completed"
    assert outcome.result == value("done")
    gate.release.set()
    after.close()


def test_a_write_that_fails_is_tried_again_and_acknowledged_once(host, monkeypatch):
    host.register()
    move, failures = RunJournal.move, []

    def failing(self, event, *rest, **changes):
        if event == "run_completed" and not failures:
            failures.append(event)
            raise StorageFault("SR-STORE-001", "the disk is full")
        return move(self, event, *rest, **changes)

    monkeypatch.setattr(RunJournal, "move", failing)
    monkeypatch.setattr("strongroom.engine.running.RETRY_S", 0.01)
    header, outcome = execute(host)
    assert failures
    assert header.status == "completed"
    assert outcome.result == value("done")


def test_confidential_runs_that_wait_keep_no_local_run_waiting(database):
    host = WorkflowHost(database, limits=EngineLimits(runs_in_flight_max=1))
    gate = Gate()
    host.register(name="hidden", attributes=b'{"confidential": true}')
    host.register(name="wf")
    host.module.on_trigger = gate
    hidden, _ = start(host, workflow="hidden")
    assert gate.entered.wait(WAIT_S)
    host.module.on_trigger = lambda request, helper: value("local")
    assert execute(host)[1].result == value("local")
    gate.release.set()
    assert host.engine.wait(hidden.run_id, WAIT_S)[0].status == "completed"
    host.close()


def test_a_result_names_the_backend_even_if_it_could_not_be_asked_before(host):
    host.register()
    answers = [Backend("unknown", insecure=True), Backend("insecure-software", insecure=True)]
    host.module.backend = lambda: answers.pop(0)
    header, _ = execute(host)
    assert (header.backend, header.insecure) == ("insecure-software", 1)


def test_a_run_that_is_accepted_while_the_host_stops_is_on_disk_and_goes_on_later(host):
    host.register()
    for workers in host.engine.dispatcher._workers.values():
        workers.shutdown()
    header, created = start(host)
    assert created
    after = WorkflowHost(host.database)
    assert after.engine.resume() == 1
    assert after.engine.wait(header.run_id, WAIT_S)[0].status == "completed"
    after.close()
