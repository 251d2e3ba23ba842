"""Events of triggers become runs: once, durably before they are confirmed, and refused where it can be seen."""

import threading

import pytest

from strongroom.engine.specs import ACTIVE, PAUSED
from strongroom.errors import CapabilityError, StorageFault, Unavailable
from tests.fakes.triggers import TRIGGER, WAIT_S, DeskHost, event
from tests.fakes.workflow_host import OWNER


@pytest.fixture
def desk(database):
    made = DeskHost(database)
    yield made
    made.close()


def test_a_registration_carries_what_the_contract_says(desk):
    spec, (trigger_id,) = desk.enrol(config=b"c")
    request = desk.trigger.requests[trigger_id]
    assert (request.method, request.payload) == ("Trigger", spec.subscriptions[0].payload)
    metadata = request.metadata
    assert (metadata.reference_id, metadata.workflow_execution_id) == ("trigger_0", "")
    assert (metadata.workflow_id, metadata.workflow_owner) == (spec.workflow_id, OWNER)
    assert metadata.workflow_don_config_version == 1
    assert desk.report(spec).state == "registered"


def test_an_event_is_a_run_on_disk_before_it_is_confirmed(desk):
    spec, (trigger_id,) = desk.enrol()
    at_ack = []
    confirm = desk.trigger.ack
    desk.trigger.ack = lambda *told: (at_ack.append(desk.runs_of(spec)), confirm(*told))
    desk.trigger.fire(trigger_id, "e1")
    assert at_ack == [["e1"]]
    assert desk.trigger.acks == [(trigger_id, "e1", "Trigger")]
    assert (desk.report(spec).accepted, desk.report(spec).repeated) == (1, 0)
    assert desk.report(spec).last_event_ms > 0


def test_the_same_event_again_is_confirmed_and_counted_and_starts_nothing(desk):
    spec, (trigger_id,) = desk.enrol()
    for _ in range(3):
        desk.trigger.fire(trigger_id, "e1")
    assert desk.runs_of(spec) == ["e1"]
    assert len(desk.trigger.acks) == 3
    assert (desk.report(spec).accepted, desk.report(spec).repeated) == (1, 2)


def test_the_same_event_id_of_another_trigger_is_another_event(desk):
    spec, ids = desk.enrol(TRIGGER, TRIGGER)
    for trigger_id in ids:
        desk.trigger.fire(trigger_id, "e1")
    assert desk.runs_of(spec) == ["e1", "e1"]


def test_a_confirmation_that_fails_loses_nothing(desk):
    spec, (trigger_id,) = desk.enrol()
    desk.trigger.ack_fails = 1
    desk.trigger.fire(trigger_id, "e1")
    desk.trigger.fire(trigger_id, "e1")
    assert desk.trigger.acks == [(trigger_id, "e1", "Trigger")]
    assert desk.runs_of(spec) == ["e1"]


@pytest.mark.parametrize(
    ("event_id", "text", "reason"),
    [
        ("", "x", "SR-TRIG-001: the event has no usable id: it has 0 bytes"),
        ("e" * 257, "x", "SR-TRIG-001: the event has no usable id: it has 257 bytes"),
        ("e\x00", "x", "SR-TRIG-001: the event has no usable id"),
        ("e1", "x" * 2000, "SR-TRIG-002: the payload of the event is 20"),
    ],
    ids=["no id", "long id", "zero byte in id", "big payload"],
)
def test_a_refused_event_is_counted_and_shown_and_never_confirmed(desk, event_id, text, reason):
    spec, (trigger_id,) = desk.enrol()
    desk.trigger.fire(trigger_id, event_id, text)
    assert desk.trigger.acks == []
    assert desk.runs_of(spec) == []
    assert desk.report(spec).refused == 1
    assert reason in desk.report(spec).last_refusal
    assert desk.report(spec).state == "registered"


def test_an_event_that_the_trigger_could_not_make_is_shown(desk):
    spec, (trigger_id,) = desk.enrol()
    desk.trigger.sinks[trigger_id].failed(CapabilityError("Public", "System", "DataLoss", "lost one"))
    assert desk.report(spec).refused == 1
    assert "DataLoss: lost one" in desk.report(spec).last_refusal


def test_while_a_workflow_has_enough_to_do_its_trigger_waits(desk):
    spec, (trigger_id,) = desk.enrol()
    desk.runs.waiting = 2
    firing = threading.Thread(target=desk.trigger.fire, args=(trigger_id, "e1"))
    firing.start()
    assert desk.runs.asked.acquire(timeout=WAIT_S)
    assert desk.runs.asked.acquire(timeout=WAIT_S)
    assert desk.runs_of(spec) == []
    assert "limits.events_queued_per_workflow_max" in desk.report(spec).reason
    desk.runs.waiting = 1
    firing.join(WAIT_S)
    assert desk.runs_of(spec) == ["e1"]
    assert desk.report(spec).reason == ""


@pytest.mark.parametrize("how", ["pause", "forget", "close"])
def test_a_delivery_that_waits_goes_away_with_its_event_unconfirmed(desk, how):
    spec, (trigger_id,) = desk.enrol()
    desk.runs.waiting = 2
    firing = threading.Thread(target=desk.trigger.fire, args=(trigger_id, "e1"))
    firing.start()
    assert desk.runs.asked.acquire(timeout=WAIT_S)
    {
        "pause": lambda s: desk.catalog.pause(OWNER, s.workflow_id),
        "forget": lambda s: desk.catalog.delete(OWNER, s.workflow_id, validate_only=False),
        "close": lambda s: desk.desk.close(),
    }[how](spec)
    firing.join(WAIT_S)
    assert not firing.is_alive()
    assert (desk.trigger.acks, desk.runs_of(spec)) == ([], [])


@pytest.mark.parametrize("fault", [StorageFault("SR-STORE-004", "disk full"), Unavailable("SR-RUN-007", "full")])
def test_an_event_that_cannot_be_stored_is_tried_again_before_it_is_confirmed(desk, fault):
    spec, (trigger_id,) = desk.enrol()
    desk.runs.faults = [fault, fault]
    desk.trigger.fire(trigger_id, "e1")
    assert desk.runs_of(spec) == ["e1"]
    assert len(desk.trigger.acks) == 1


def test_a_bug_in_acceptance_is_a_refusal_and_not_the_end_of_deliveries(desk):
    spec, (trigger_id,) = desk.enrol()
    desk.runs.faults = [RuntimeError("a secret text")]
    desk.trigger.fire(trigger_id, "e1")
    assert desk.report(spec).last_refusal == "SR-INT-003: an internal error kept an event from its run"
    desk.trigger.fire(trigger_id, "e1")
    assert desk.runs_of(spec) == ["e1"]


def test_a_record_that_was_only_written_anew_takes_events_on(desk):
    spec, (trigger_id,) = desk.enrol()
    specs = desk.host.host.specs
    specs.set_status(specs.set_status(spec, PAUSED), ACTIVE)
    desk.trigger.fire(trigger_id, "e1")
    assert desk.runs_of(spec) == ["e1"]


def test_an_event_after_the_pause_is_not_confirmed_and_comes_again_after_it(desk):
    spec, (trigger_id,) = desk.enrol()
    sink = desk.trigger.sinks[trigger_id]
    paused = desk.host.host.specs.set_status(spec, PAUSED)
    sink.event(event("before the desk knows"))
    desk.desk.pause(paused)
    sink.event(event("after"))
    assert (desk.trigger.paused, desk.trigger.forgotten) == ([trigger_id], [])
    assert (desk.trigger.acks, desk.runs_of(spec), desk.report(spec).refused) == ([], [], 0)
    assert desk.report(spec).state == "paused"
    desk.desk.enrol(desk.host.host.specs.set_status(paused, ACTIVE))
    desk.trigger.fire(trigger_id, "after")
    assert desk.runs_of(spec) == ["after"]
