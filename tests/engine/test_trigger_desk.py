"""The desk: a workflow hears all of its triggers or visibly none, over restarts, pauses and deletions."""

import threading
import time

import pytest

from strongroom.engine.retention import Retention
from strongroom.errors import CapabilityError, TimedOut, WrongState
from tests.fakes.triggers import TRIGGER, WAIT_S, DeskHost, FiredTrigger, offer_trigger
from tests.fakes.workflow_host import OWNER, Gate

OTHER = "basic-test-trigger@1.0.0"
NOT_YET = CapabilityError("Public", "System", "Unavailable", "not yet")
WRONG = CapabilityError("Public", "User", "InvalidArgument", "invalid cron schedule: Bad minute")


@pytest.fixture
def desk(database):
    made = DeskHost(database)
    yield made
    made.close()


def with_other(desk):
    other = FiredTrigger()
    offer_trigger(desk.registry, OTHER, other)
    return other


def test_one_trigger_that_fails_takes_the_others_back_and_all_are_tried_again(desk):
    other = with_other(desk)
    held = threading.Event()
    register = other.register

    def refused_once(request, sink, *, timeout_s):
        if not held.is_set():
            held.set()
            raise NOT_YET
        register(request, sink, timeout_s=timeout_s)

    other.register = refused_once
    spec, ids = desk.enrol(TRIGGER, OTHER)
    desk.wait_for_state(spec, "registered")
    desk.wait_for_state(spec, "registered", 1)
    assert desk.trigger.paused == [ids[0]], "taken back, and not for good"
    assert desk.trigger.forgotten == []
    desk.trigger.fire(ids[0], "e1")
    other.fire(ids[1], "e1")
    assert desk.runs_of(spec) == ["e1", "e1"]


def test_while_one_trigger_is_refused_all_show_as_degraded_with_the_reason(database):
    desk = DeskHost(database)
    desk.desk._retry_min_s = 3600
    other = with_other(desk)
    other.refuse = [NOT_YET]
    spec, ids = desk.enrol(TRIGGER, OTHER)
    assert [desk.report(spec, i).state for i in (0, 1)] == ["degraded", "degraded"]
    assert desk.report(spec, 0).reason == "trigger 1 was not registered, so none was"
    assert desk.report(spec, 1).reason == "not yet"
    assert not desk.report(spec, 1).final
    assert ids[0] not in desk.trigger.sinks
    desk.close()


def test_a_capability_that_is_not_here_is_degraded_until_it_is(desk):
    spec, _ = desk.enrol(OTHER)
    report = desk.wait_for_state(spec, "degraded")
    assert "no compatible capability found for id basic-test-trigger@1.0.0" in report.reason
    with_other(desk)
    desk.wait_for_state(spec, "registered")


def test_a_subscription_that_is_wrong_is_not_tried_again_until_the_workflow_is_activated(desk):
    desk.trigger.refuse = [WRONG]
    spec, _ = desk.enrol()
    report = desk.report(spec)
    assert report.state == "degraded"
    assert report.reason.startswith("invalid cron schedule: Bad minute; it is not tried again")
    assert report.final
    assert not desk.desk._later._due, "nothing is due later"
    desk.catalog.activate(OWNER, spec.workflow_id)
    assert desk.report(spec).state == "registered"


def test_registrations_that_take_too_long_fail_together(database):
    desk = DeskHost(database, trigger_registrations_timeout_ms=50)
    desk.desk._retry_min_s = 3600
    seen = []

    def slow(request, sink, *, timeout_s):
        seen.append(timeout_s)
        raise CapabilityError("Public", "System", "DeadlineExceeded", "no answer")

    desk.trigger.register = slow
    spec, _ = desk.enrol(TRIGGER, TRIGGER)
    assert len(seen) == 2
    assert all(timeout_s <= 0.05 for timeout_s in seen)
    assert desk.report(spec).state == "degraded"
    desk.close()


def test_a_plugin_that_goes_away_and_comes_back_is_shown_and_heard_again(desk):
    spec, (trigger_id,) = desk.enrol()
    desk.registry.suspend(TRIGGER)
    assert (desk.report(spec).state, desk.report(spec).reason) == ("degraded", "capability unavailable")
    second = FiredTrigger()
    offer_trigger(desk.registry, TRIGGER, second)
    desk.wait_for_state(spec, "registered")
    second.fire(trigger_id, "e1")
    assert desk.runs_of(spec) == ["e1"]


def test_a_stream_that_ends_by_itself_is_opened_again(desk):
    spec, (trigger_id,) = desk.enrol()
    first = desk.trigger.sinks.pop(trigger_id)
    first.ended("the plugin ended the stream")
    desk.trigger.wait(lambda: trigger_id in desk.trigger.sinks)
    desk.wait_for_state(spec, "registered")


def test_after_a_restart_every_active_workflow_is_registered_again_and_a_paused_one_is_not(desk):
    specs = [desk.enrol(name=f"wf-{number}")[0] for number in range(20)]
    desk.catalog.pause(OWNER, specs[0].workflow_id)
    after = desk.after_restart()
    after.desk.open()
    for spec in specs[1:]:
        after.wait_for_state(spec, "registered")
    after.wait_for_state(specs[0], "paused")
    assert len(after.trigger.sinks) == 19
    after.close()


def test_an_event_that_comes_again_after_a_restart_starts_nothing(desk):
    spec, (trigger_id,) = desk.enrol()
    desk.trigger.fire(trigger_id, "e1")
    after = desk.after_restart()
    after.desk.open()
    after.wait_for_state(spec, "registered")
    after.trigger.fire(trigger_id, "e1")
    assert after.runs_of(spec) == ["e1"]
    assert after.trigger.acks == [(trigger_id, "e1", "Trigger")]
    assert (after.report(spec).accepted, after.report(spec).repeated) == (0, 1)
    after.close()


def test_an_event_that_comes_again_after_its_run_was_removed_starts_nothing(desk):
    spec, (trigger_id,) = desk.enrol()
    desk.trigger.fire(trigger_id, "e1")
    assert desk.host.engine.dispatcher.drain(WAIT_S)
    month_ms = 31 * 86_400_000
    assert Retention(desk.host.host, clock_ms=lambda: time.time_ns() // 1_000_000 + month_ms).sweep().runs == 1
    assert desk.runs_of(spec) == []
    after = desk.after_restart()
    after.desk.open()
    after.wait_for_state(spec, "registered")
    after.trigger.fire(trigger_id, "e1")
    assert after.runs_of(spec) == []
    assert after.trigger.acks == [(trigger_id, "e1", "Trigger")]
    after.close()


def test_a_registered_workflow_is_enrolled_and_only_then(desk):
    told = []
    desk.host.registration._registered = told.append
    done = desk.host.register()
    assert told == [done.spec]
    desk.host.register()
    desk.host.register(config=b"other", validate_only=True)
    assert told == [done.spec]


def test_a_pause_and_an_activation_keep_the_counts(desk):
    spec, (trigger_id,) = desk.enrol()
    desk.trigger.fire(trigger_id, "e1")
    desk.catalog.pause(OWNER, spec.workflow_id)
    assert (desk.trigger.paused, desk.trigger.sinks) == ([trigger_id], {})
    desk.catalog.activate(OWNER, spec.workflow_id)
    desk.trigger.fire(trigger_id, "e2")
    assert desk.report(spec).accepted == 2


def test_a_deletion_is_told_to_the_triggers_and_a_refused_one_is_not(desk):
    gate = Gate()
    desk.host.module.on_trigger = gate
    spec, (trigger_id,) = desk.enrol()
    desk.trigger.fire(trigger_id, "e1")
    assert gate.entered.wait(WAIT_S)
    with pytest.raises(WrongState, match="has 1 unfinished runs"):
        desk.catalog.delete(OWNER, spec.workflow_id, validate_only=False)
    assert desk.report(spec).state == "registered"
    gate.release.set()
    assert desk.host.engine.dispatcher.drain(WAIT_S)
    desk.catalog.delete(OWNER, spec.workflow_id, validate_only=False)
    assert desk.trigger.forgotten == [trigger_id]
    assert desk.desk.report(spec.workflow_id) == []


def test_a_deletion_with_a_drain_waits_for_the_last_run(desk):
    gate = Gate()
    desk.host.module.on_trigger = gate
    spec, (trigger_id,) = desk.enrol()
    desk.trigger.fire(trigger_id, "e1")
    assert gate.entered.wait(WAIT_S)
    deleting = threading.Thread(
        target=desk.catalog.delete, args=(OWNER, spec.workflow_id), kwargs={"validate_only": False, "drain_s": WAIT_S}
    )
    deleting.start()
    desk.trigger.wait(lambda: desk.trigger.paused == [trigger_id])
    assert desk.host.host.specs.get(spec.workflow_id).row.status == "paused"
    gate.release.set()
    deleting.join(WAIT_S)
    assert desk.host.host.specs.get(spec.workflow_id) is None
    assert desk.trigger.forgotten == [trigger_id]


def test_a_deletion_whose_drain_runs_out_of_time_leaves_the_workflow_paused(desk):
    gate = Gate()
    desk.host.module.on_trigger = gate
    spec, (trigger_id,) = desk.enrol()
    desk.trigger.fire(trigger_id, "e1")
    assert gate.entered.wait(WAIT_S)
    with pytest.raises(TimedOut, match="still has 1 unfinished runs") as refused:
        desk.catalog.delete(OWNER, spec.workflow_id, validate_only=False, drain_s=0.01)
    assert refused.value.code == "SR-WF-020"
    assert (desk.report(spec).state, desk.trigger.forgotten) == ("paused", [])
    gate.release.set()


def test_a_dry_deletion_changes_nothing(desk):
    spec, _ = desk.enrol()
    desk.catalog.delete(OWNER, spec.workflow_id, validate_only=True, drain_s=1)
    assert (desk.report(spec).state, desk.trigger.paused) == ("registered", [])


def test_the_trigger_of_a_workflow_that_was_deleted_while_it_was_away_is_told_when_it_is_back(desk):
    spec, (trigger_id,) = desk.enrol()
    desk.registry.suspend(TRIGGER)
    desk.catalog.delete(OWNER, spec.workflow_id, validate_only=False)
    second = FiredTrigger()
    offer_trigger(desk.registry, TRIGGER, second)
    second.wait(lambda: second.forgotten == [trigger_id])
    assert second.sinks == {}


def test_runs_of_a_subscription_are_counted_while_they_go_on(desk):
    gate = Gate()
    desk.host.module.on_trigger = gate
    _spec, ids = desk.enrol(TRIGGER, TRIGGER)
    desk.trigger.fire(ids[0], "e1")
    assert gate.entered.wait(WAIT_S)
    assert [desk.trigger.sinks[trigger_id].unfinished() for trigger_id in ids] == [1, 0]
    gate.release.set()
    assert desk.host.engine.dispatcher.drain(WAIT_S)
    assert desk.trigger.sinks[ids[0]].unfinished() == 0


def test_a_workflow_that_is_unknown_has_no_report(desk):
    assert desk.desk.report("0" * 64) == []
    desk.desk.forget("0" * 64)


def test_a_trigger_that_is_faster_than_its_workflow_waits_and_loses_nothing(database):
    desk = DeskHost(database, runs_in_flight_max=1)
    gate = Gate()
    desk.host.module.on_trigger = gate
    spec, (trigger_id,) = desk.enrol()
    names = [f"e{number:02}" for number in range(20)]
    most = []

    def fire_all():
        for name in names:
            desk.trigger.fire(trigger_id, name)
            most.append(desk.host.engine.unstarted(spec.workflow_id))

    firing = threading.Thread(target=fire_all)
    firing.start()
    assert gate.entered.wait(WAIT_S)
    while not desk.report(spec).reason:
        time.sleep(0.005)
    assert firing.is_alive()
    gate.release.set()
    firing.join(WAIT_S)
    assert desk.runs_of(spec) == names
    assert max(most) <= desk.host.host.limits.events_queued_per_workflow_max
    assert (desk.report(spec).accepted, desk.report(spec).refused) == (20, 0)
    desk.close()
