"""A run that was accepted for an enclave waits while that cannot be asked: it does not fail, nor run elsewhere."""

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.limits import EngineLimits
from tests.engine.test_selection import NITRO, WAIT_S, fails_to_say, provides, routed, tee
from tests.fakes.scripted_guest import types, until
from tests.fakes.workflow_host import OWNER, WorkflowHost, value


def accepted(host):
    """The id of a run that was accepted for an enclave before its host stopped."""
    provides(host, NITRO)
    routed(host, tee())
    host.register()
    for workers in host.engine.dispatcher._workers.values():
        workers.shutdown()
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1", trigger_index=1))
    host.cut_off()
    return header.run_id


@pytest.fixture
def resumed(host):
    """The next host, its router and a run that waits there for an enclave that cannot be asked."""
    run_id, made = accepted(host), []

    def resume(**limits):
        after = WorkflowHost(host.database, limits=EngineLimits(**limits))
        made.append(after)
        router = routed(after, tee())
        fails_to_say(after)
        after.engine.resume()
        return after, router, run_id

    yield resume
    for each in made:
        each.close()


def parked(host, run_id):
    """The handle of the run, once it waits with nobody executing it."""
    until(
        lambda: host.engine.dispatcher.get(run_id).place.name == "PARKED" and host.engine.dispatcher.get(run_id).began_s
    )


def test_it_waits_and_runs_there_once_the_enclave_answers(resumed):
    host, router, run_id = resumed()
    parked(host, run_id)
    assert host.engine.get(run_id).status == "pending"
    assert types(host, run_id) == ["run_created"]
    provides(host, NITRO)
    host.engine.dispatcher.wake(run_id)
    header, outcome = host.engine.wait(run_id, WAIT_S)
    assert (header.module, outcome.result) == ("confidential", value("confidential"))
    assert router.executed == [("confidential", "trigger")]


def test_it_fails_once_the_enclave_says_that_it_provides_nothing(resumed):
    host, router, run_id = resumed()
    parked(host, run_id)
    provides(host)
    host.engine.dispatcher.wake(run_id)
    header, _ = host.engine.wait(run_id, WAIT_S)
    assert (header.status, header.error_code, router.executed) == ("failed", "SR-RUN-012", [])


def test_it_waits_for_no_longer_than_its_time(resumed):
    host, router, run_id = resumed(run_timeout_ms=300)
    header, _ = host.engine.wait(run_id, WAIT_S)
    assert (header.status, header.error_code, router.executed) == ("timed_out", "SR-RUN-023", [])


def test_it_is_cancelled_at_once(resumed):
    host, router, run_id = resumed()
    parked(host, run_id)
    assert host.engine.cancel(run_id, "enough", WAIT_S).status == "cancelled"
    assert router.executed == []


def test_it_waits_on_over_another_restart(resumed):
    host, _, run_id = resumed()
    parked(host, run_id)
    host.engine.dispatcher.drain(0)
    host.cut_off()
    after, _, _ = resumed()
    parked(after, run_id)
    provides(after, NITRO)
    after.engine.dispatcher.wake(run_id)
    assert after.engine.wait(run_id, WAIT_S)[0].status == "completed"
