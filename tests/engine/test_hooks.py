"""A run waits for somebody outside, and gets what they leave, once and in order."""

import threading

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.hook_desk import HookDesk
from strongroom.errors import NotFound
from tests.fakes.hook_guest import HookGuest
from tests.fakes.scripted_guest import WAIT_S, types, until, waits
from tests.fakes.workflow_host import OWNER, value


@pytest.fixture
def desk(host):
    return HookDesk(host.host, host.engine)


def start(host, on_trigger):
    host.module.on_trigger = on_trigger
    host.register()
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    return header.run_id


def asleep(host, run_id):
    until(lambda: run_id in host.engine.dispatcher._asleep)


def one_hook(request, helper):
    guest = HookGuest(helper)
    hook_id, _ = guest.create(1, token="order-7")
    return value(guest.wait_for(2, hook_id=hook_id).decode())


def test_a_payload_wakes_the_run_that_waits_for_it(host, desk):
    run_id = start(host, one_hook)
    asleep(host, run_id)
    assert run_id not in host.engine.dispatcher._handles, "a run that waits is a few bytes"
    left = desk.resume(b"paid", token="order-7")
    assert (left.run_id, left.number, left.created) == (run_id, 1, True)
    assert host.engine.wait(run_id, WAIT_S)[1].result == value("paid")
    assert types(host, run_id) == [
        "run_created",
        "run_started",
        "step_created",
        "hook_created",
        "step_completed",
        "step_created",
        "run_suspended",
        "hook_received",
        "run_started",
        "step_completed",
        "run_completed",
    ]
    with pytest.raises(NotFound):
        desk.get(token="order-7")
