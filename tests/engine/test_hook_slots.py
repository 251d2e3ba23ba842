"""A guest whose awaits take every place for calls waits for one of them, whatever comes to other hooks meanwhile."""

from dataclasses import replace

import pytest

from strongroom.engine.hook_desk import HookDesk
from strongroom.engine.limits import EngineLimits
from strongroom.engine.running import Place
from tests.fakes.hook_guest import HookGuest, asleep, started
from tests.fakes.scripted_guest import WAIT_S, until
from tests.fakes.workflow_host import WorkflowHost, value

DEFAULTS = EngineLimits()
LIMITS = replace(DEFAULTS, suspend_after_ms=1, guest=replace(DEFAULTS.guest, calls_in_flight_max=2))


@pytest.fixture
def host(database):
    made = WorkflowHost(database, limits=LIMITS)
    yield made
    made.close()


def two_of_three(request, helper):
    """Makes three hooks and awaits two of them; for a third await it needs one of their places."""
    guest = HookGuest(helper)
    hooks = [guest.create(number, token=token)[0] for number, token in ((1, "first"), (2, "second"), (3, "other"))]
    guest.begin_wait(4, hooks[0])
    guest.begin_wait(5, hooks[1])
    if not any(guest.is_answered(number, 0.1) for number in (4, 5)):
        guest.slot()
    return value("a place was free")


def parked(host, run_id):
    """Wait until the run waits for a place, with none of its awaits under way."""

    def is_parked():
        handle = host.engine.dispatcher._handles.get(run_id)
        return handle is not None and handle.place is Place.PARKED and handle.calls.is_idle and handle.calls.taken == 2

    until(is_parked)


def test_a_run_that_waits_for_a_place_is_woken_although_another_hook_got_a_payload_before(host):
    desk = HookDesk(host.host, host.engine)
    run_id = started(host, two_of_three)
    parked(host, run_id)
    desk.resume(b"nobody waits for it", token="other")
    desk.resume(b"frees a place", token="first")
    header, outcome = host.engine.wait(run_id, WAIT_S)
    assert header.status == "completed"
    assert outcome.result.value.string_value == "a place was free"


def test_a_run_that_awaits_two_hooks_sleeps_until_both_have_a_payload(host):
    def both(request, helper):
        guest = HookGuest(helper)
        hooks = [guest.create(number, token=token)[0] for number, token in ((1, "first"), (2, "second"))]
        guest.begin_wait(3, hooks[0])
        guest.begin_wait(4, hooks[1])
        guest.answer(3, 4)
        return value(" ".join(guest.payload(number).decode() for number in (3, 4)))

    desk = HookDesk(host.host, host.engine)
    run_id = started(host, both)
    asleep(host, run_id)
    desk.resume(b"1", token="first")
    with host.host.hooks.locked(run_id):
        assert not host.host.hooks.book(run_id).is_over
    assert host.engine.get(run_id).status == "waiting"
    desk.resume(b"2", token="second")
    assert host.engine.wait(run_id, WAIT_S)[1].result.value.string_value == "1 2"
