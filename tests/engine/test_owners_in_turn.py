"""An owner with a thousand runs keeps nobody else waiting, and what it may not have it is told with a number."""

import threading

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.limits import EngineLimits
from strongroom.engine.owner_limits import OwnerLimits, OwnersLimits
from strongroom.engine.registration import Owners, Registration
from strongroom.errors import Exhausted
from strongroom.guest import neighbours
from tests.fakes.scripted_guest import WAIT_S, Guest, until
from tests.fakes.workflow_host import OWNER, Gate, WorkflowHost, value

OTHER = "0" * 39 + "2"
HOUR_S = 3600


@pytest.fixture
def shared(database):
    hosts = []

    def make(**limits):
        host = WorkflowHost(database, limits=EngineLimits(**limits))
        host.registration = Registration(
            host.host, host.compiler, Owners(OWNER, frozenset({OTHER})), lambda _capability: False
        )
        host.register(owner=OWNER)
        host.register(owner=OTHER)
        hosts.append(host)
        return host

    yield make
    for host in hosts:
        host.close()


def start(host, owner, **wish):
    return host.engine.start(Start(owner=owner, workflow="wf", json=b"1", **wish))[0].run_id


def owner_of(host, execution_id, headers):
    return next(owner for run_id, owner in headers if host.engine.get(run_id).execution_id == execution_id)


def test_a_run_of_another_owner_does_not_wait_behind_those_of_a_flood(shared):
    host = shared(runs_in_flight_max=2)
    gate = host.module.on_trigger = Gate()
    flood = [start(host, OWNER) for _ in range(60)]
    assert gate.entered.wait(WAIT_S)
    host.module.on_trigger = lambda request, helper: value("other")
    mine = start(host, OTHER)
    assert host.engine.wait(mine, WAIT_S)[1].result == value("other")
    assert host.engine.get(flood[-1]).status == "pending"
    gate.release.set()
    for run_id in flood:
        assert host.engine.wait(run_id, WAIT_S)[0].status == "completed"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_queued_runs_of_two_owners_are_executed_in_turn(shared):
    host = shared(runs_in_flight_max=2, owners=OwnersLimits(others=OwnerLimits(runs_executing_max=1)))
    # Two of the three threads are the owners' own, and the third is nobody's to take.
    gate = host.module.on_trigger = Gate()
    first = start(host, OWNER), start(host, OTHER)
    until(lambda: len(host.module.executed) == 2)
    runs = [(start(host, OWNER), OWNER) for _ in range(10)] + [(start(host, OTHER), OTHER) for _ in range(10)]
    gate.release.set()
    for run_id in (*first, *(run_id for run_id, _ in runs)):
        host.engine.wait(run_id, WAIT_S)
    owners = [owner_of(host, each, runs) for each in host.module.executed[2:]]
    assert owners[:10].count(OTHER) >= 3, "whoever came later is not served last"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_beside_others_an_owner_has_no_more_local_runs_at_work_than_runners(shared, monkeypatch):
    monkeypatch.setattr(neighbours, "NEIGHBOUR_S", HOUR_S)
    host = shared(runs_in_flight_max=20, runners_max=4, owners=OwnersLimits(is_shared=True))
    gate = host.module.on_trigger = Gate()
    runs = [start(host, OTHER), *(start(host, OWNER) for _ in range(8))]
    until(lambda: len(host.module.executed) >= 4)
    runs.append(start(host, OTHER))
    until(lambda: len(host.module.executed) >= 5)
    assert len(host.module.executed) == 5, "three of one owner and two of the other"
    gate.release.set()
    for run_id in runs:
        assert host.engine.wait(run_id, WAIT_S)[0].status == "completed"


def test_runs_that_are_woken_do_not_wait_for_those_of_others(shared):
    host = shared(runs_in_flight_max=1)
    begun = threading.Semaphore(0)

    def sleeps(request, helper):
        begun.release()
        Guest(helper).sleep(HOUR_S)
        return value("slept")

    host.module.on_trigger = sleeps
    flood = [start(host, OWNER) for _ in range(20)]
    mine = start(host, OTHER)
    until(lambda: len(host.engine.dispatcher._asleep) == 21)
    gate = host.module.on_trigger = Gate()
    for run_id in flood:
        host.engine.dispatcher.wake(run_id)
    assert gate.entered.wait(WAIT_S)
    host.module.on_trigger = lambda request, helper: value("woken")
    host.engine.dispatcher.wake(mine)
    assert host.engine.wait(mine, WAIT_S)[1].result == value("woken")
    gate.release.set()
    for run_id in flood:
        host.engine.wait(run_id, WAIT_S)


def test_what_is_over_its_limit_is_refused_and_what_stands_already_is_found(shared):
    host = shared(owners=OwnersLimits(others=OwnerLimits(starts_per_s=1, starts_burst=2)))
    kept = start(host, OWNER, event_id="kept")
    start(host, OWNER)
    with pytest.raises(Exhausted, match="starts more than 1 runs a second") as refused:
        start(host, OWNER)
    assert refused.value.details["setting"] == "owners.starts_per_s"
    assert start(host, OWNER, event_id="kept") == kept
    start(host, OTHER)
