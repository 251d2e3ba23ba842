"""The desk follows the record of a workflow: who changed that last counts, and not who came to the desk last."""

import threading
import time
from functools import partial

import pytest

from tests.fakes.triggers import TRIGGER, WAIT_S, DeskHost
from tests.fakes.workflow_host import OWNER, subscriptions


@pytest.fixture
def desk(database):
    made = DeskHost(database)
    made.host.registration._registered = made.desk.enrol
    yield made
    made.close()


class Held:
    """A function that waits, once, between being called and doing anything."""

    def __init__(self, place, name):
        self._place, self._name, self._real = place, name, getattr(place, name)
        self.entered, self.go, self.done = threading.Event(), threading.Event(), threading.Event()
        setattr(place, name, self)

    def __call__(self, *arguments, **named):
        setattr(self._place, self._name, self._real)
        self.entered.set()
        assert self.go.wait(WAIT_S)
        try:
            return self._real(*arguments, **named)
        finally:
            self.done.set()


def begun(function, *arguments, **named):
    thread = threading.Thread(target=partial(function, *arguments, **named))
    thread.start()
    return thread


def ended(*threads):
    for thread in threads:
        thread.join(WAIT_S)
        assert not thread.is_alive()


def until(condition):
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def is_heard(desk, spec, trigger_id):
    """Whether an event of the trigger becomes a run that the desk knows of."""
    desk.trigger.fire(trigger_id, "after")
    return desk.runs_of(spec) == ["after"] and desk.report(spec).accepted == 1


def test_a_workflow_that_was_activated_while_it_was_being_paused_hears_its_triggers(desk):
    spec, (trigger_id,) = desk.enrol()
    held = Held(desk.desk, "pause")
    pausing = begun(desk.catalog.pause, OWNER, spec.workflow_id)
    assert held.entered.wait(WAIT_S)
    desk.catalog.activate(OWNER, spec.workflow_id)
    held.go.set()
    ended(pausing)
    assert desk.host.host.specs.get(spec.workflow_id).row.status == "active"
    assert desk.report(spec).state == "registered", "an active workflow that hears nothing would never run"
    assert is_heard(desk, spec, trigger_id)


def test_a_workflow_that_was_paused_while_it_was_being_activated_hears_nothing(desk):
    spec, (trigger_id,) = desk.enrol()
    desk.catalog.pause(OWNER, spec.workflow_id)
    held = Held(desk.desk, "enrol")
    activating = begun(desk.catalog.activate, OWNER, spec.workflow_id)
    assert held.entered.wait(WAIT_S)
    desk.catalog.pause(OWNER, spec.workflow_id)
    held.go.set()
    ended(activating)
    assert desk.report(spec).state == "paused"
    assert trigger_id not in desk.trigger.sinks


def test_a_workflow_that_was_registered_again_while_it_was_being_deleted_hears_its_triggers(desk):
    spec, (trigger_id,) = desk.enrol()
    held = Held(desk.desk, "forget")
    deleting = begun(desk.catalog.delete, OWNER, spec.workflow_id, validate_only=False)
    assert held.entered.wait(WAIT_S)
    desk.host.register()
    held.go.set()
    ended(deleting)
    assert desk.trigger.forgotten == [trigger_id], "what was kept for the one that was deleted is forgotten"
    assert desk.report(spec).state == "registered"
    assert is_heard(desk, spec, trigger_id)


def test_it_hears_them_also_when_its_triggers_were_being_registered_all_the_time(desk):
    spec, (trigger_id,) = desk.enrol()
    desk.catalog.pause(OWNER, spec.workflow_id)
    held = Held(desk.trigger, "register")
    activating = begun(desk.catalog.activate, OWNER, spec.workflow_id)
    assert held.entered.wait(WAIT_S)
    specs = desk.host.host.specs
    deleting = begun(desk.catalog.delete, OWNER, spec.workflow_id, validate_only=False)
    until(lambda: specs.get(spec.workflow_id) is None)
    registering = begun(desk.host.register)
    until(lambda: specs.get(spec.workflow_id) is not None)
    held.go.set()
    ended(activating, deleting, registering)
    assert desk.report(spec).state == "registered"
    assert is_heard(desk, spec, trigger_id)


def test_it_may_subscribe_to_other_triggers_than_before(desk):
    spec, _ = desk.enrol()
    held = Held(desk.desk, "forget")
    deleting = begun(desk.catalog.delete, OWNER, spec.workflow_id, validate_only=False)
    assert held.entered.wait(WAIT_S)
    desk.host.module.on_subscribe = lambda request, helper: subscriptions(TRIGGER, TRIGGER)
    desk.host.register()
    held.go.set()
    ended(deleting)
    assert [each.state for each in desk.desk.report(spec.workflow_id)] == ["registered", "registered"]


def test_a_workflow_that_was_deleted_before_a_start_came_to_it_is_not_registered(database):
    desk = DeskHost(database)
    spec, (trigger_id,) = desk.enrol()
    again = desk.after_restart()
    held = Held(again.desk, "_found")
    again.desk.open()
    assert held.entered.wait(WAIT_S)
    again.catalog.delete(OWNER, spec.workflow_id, validate_only=False)
    held.go.set()
    assert held.done.wait(WAIT_S)
    assert again.desk.report(spec.workflow_id) == []
    assert trigger_id not in again.trigger.sinks, "its events would wait for runs that never come"
    again.close()


def test_a_workflow_that_is_gone_leaves_nothing_at_the_desk(desk):
    spec, _ = desk.enrol()
    desk.catalog.delete(OWNER, spec.workflow_id, validate_only=False)
    desk.desk.pause(spec)
    desk.desk.enrol(spec)
    assert desk.desk.report(spec.workflow_id) == []
    assert desk.trigger.sinks == {}
