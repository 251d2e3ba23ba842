"""A call that its guest never awaits ends with the run: it is hung up, and not sent again.

Source: contracts/cre-guest.md section 7.
"""

import json
import threading
from dataclasses import dataclass, field

import pytest

from strongroom.engine.admission import Start
from strongroom.errors import CapabilityError
from strongroom.plugin.hang_up import ended_by, hung_up
from tests.fakes.scripted_guest import ACTION, WAIT_S, Guest, call, until
from tests.fakes.workflow_host import OWNER, value

RETRY = json.dumps({"retry": {"backoff_ms": 1, "attempts_max": 5}}).encode()


@dataclass
class Patient:
    """A capability that answers nothing until it is hung up; then it says that it is away."""

    entered: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    calls: int = 0

    def execute(self, request, *, timeout_s):
        self.calls += 1
        over = threading.Event()
        with ended_by(over.set):
            self.entered.set()
            over.wait(WAIT_S)
        if hung_up() is not None:
            self.ended.set()
        raise CapabilityError("Public", "System", "Unavailable", "away")


@pytest.fixture
def patient(host):
    host.capabilities.found[ACTION] = made = Patient()
    return made


def start(host, on_trigger):
    host.module.on_trigger = on_trigger
    host.register(attributes=RETRY)
    return host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id


def test_it_ends_when_the_guest_has_ended_and_is_not_tried_again(host, patient):
    threads = []

    def leaves(request, helper):
        threads.append(threading.Thread(target=helper.call_capability, args=(call(1),)))
        threads[0].start()
        assert patient.entered.wait(WAIT_S)
        return value("gone")

    run_id = start(host, leaves)
    assert host.engine.wait(run_id, WAIT_S)[0].status == "completed"
    threads[0].join(WAIT_S)
    assert patient.ended.is_set(), "the call goes on although nobody can ask for its answer"
    assert patient.calls == 1


def test_it_ends_when_the_run_is_killed(host, patient):
    entered = threading.Event()

    def waits(request, helper):
        guest = Guest(helper, patience_s=WAIT_S)
        guest.call(call(1))
        entered.set()
        return value(guest.answer(1)[0])

    run_id = start(host, waits)
    assert entered.wait(WAIT_S)
    assert patient.entered.wait(WAIT_S)
    host.engine.kill(run_id, "not needed")
    assert patient.ended.wait(WAIT_S)
    assert patient.calls == 1


def test_it_goes_on_while_its_guest_is_only_suspended(host, patient):
    def waits(request, helper):
        guest = Guest(helper)
        guest.call(call(1))
        return value(guest.answer(1)[0])

    run_id = start(host, waits)
    assert patient.entered.wait(WAIT_S)
    until(lambda: host.engine.get(run_id).status == "waiting")
    assert not patient.ended.is_set()
    host.engine.kill(run_id, "the test is over")
