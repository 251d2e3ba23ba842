"""How a registration reads where a trigger does not listen: refused for good, not yet, or not meant to."""

import hashlib

import pytest
from google.protobuf import any_pb2

from strongroom.engine.subscription_states import SubscriptionState
from strongroom.errors import CapabilityError
from strongroom.pb.capabilities.networking.http.v1alpha import http_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.services.convert import workflow_message
from tests.fakes.triggers import TRIGGER, DeskHost
from tests.fakes.workflow_host import OWNER

ELSEWHERE = "basic-test-trigger@1.0.0"
BY_HAND = "started by hand only: it names no key that may start it"


@pytest.fixture
def desk(database):
    made = DeskHost(database)
    yield made
    made.close()


def described(desk, spec, warnings=()):
    registration = desk.host.registration
    registration._available = lambda capability_id: capability_id == TRIGGER
    reports = desk.desk.report(spec.workflow_id)
    return workflow_message(spec, registration, reports, None if warnings is None else list(warnings))


def enrol_with_keys(desk, *keys):
    """A workflow with one HTTP trigger that names ``keys``, as guests send it."""
    payload = any_pb2.Any()
    config = http_pb2.Config(
        authorized_keys=[http_pb2.AuthorizedKey(type=http_pb2.KEY_TYPE_ECDSA_EVM, public_key=key) for key in keys]
    )
    payload.Pack(config)
    wish = sdk_pb2.TriggerSubscription(id=TRIGGER, method="Trigger", payload=payload)
    answer = sdk_pb2.ExecutionResult(trigger_subscriptions=sdk_pb2.TriggerSubscriptionRequest(subscriptions=[wish]))
    desk.host.module.on_subscribe = lambda request, helper: answer
    spec = desk.host.register().spec
    desk.desk.enrol(spec)
    return spec


def test_a_trigger_that_refused_for_good_is_warned_of_and_not_available(desk):
    desk.trigger.refuse = [CapabilityError("Public", "User", "InvalidArgument", "minute '61' is none")]
    spec, _ = desk.enrol()
    message = described(desk, spec, ["another one"])
    said = "minute '61' is none; it is not tried again until the workflow is activated again"
    assert list(message.warnings) == ["another one", f"trigger 0 ({TRIGGER}) never starts a run: {said}"]
    assert (message.subscriptions[0].available, message.subscriptions[0].reason) == (False, said)
    assert not described(desk, spec, None).warnings, "it is what a registration hears; `get` shows the state"
    desk.catalog.activate(OWNER, spec.workflow_id)
    assert described(desk, spec).subscriptions[0].available


def test_owners_read_the_digest_of_the_config_that_a_grant_names(desk):
    spec = desk.host.register(config=b"some config").spec
    assert spec.config == b"some config"
    assert described(desk, spec).config_sha256 == hashlib.sha256(b"some config").hexdigest()


def test_one_that_is_tried_again_is_warned_of_and_stays_available(desk):
    desk.desk._retry_min_s = 3600
    desk.trigger.refuse = [CapabilityError("Public", "System", "Unavailable", "not yet")]
    spec, _ = desk.enrol()
    message = described(desk, spec)
    assert list(message.warnings) == [f"trigger 0 ({TRIGGER}) starts no run yet and is tried again: not yet"]
    assert message.subscriptions[0].available


def test_one_that_nobody_offers_is_warned_of(desk):
    desk.desk._retry_min_s = 3600
    spec, _ = desk.enrol(ELSEWHERE)
    message = described(desk, spec)
    assert f"no compatible capability found for id {ELSEWHERE}" in message.warnings[0]
    assert "runs can still be started by hand" in message.subscriptions[0].reason


@pytest.mark.parametrize("offered", [True, False])
def test_a_workflow_without_keys_is_started_by_hand_and_nothing_is_wrong_with_it(desk, offered):
    if not offered:
        desk.registry.remove(TRIGGER)
    spec = enrol_with_keys(desk)
    message = described(desk, spec)
    (shown,) = message.subscriptions
    assert (shown.state, shown.available, shown.reason) == (SubscriptionState.BY_HAND, True, BY_HAND)
    assert not message.warnings
    assert not desk.trigger.requests, "its trigger is not asked"
    assert not desk.desk._later._due, "and nothing is tried again"
    desk.catalog.pause(OWNER, spec.workflow_id)
    assert desk.report(spec).state == "paused"
    desk.catalog.activate(OWNER, spec.workflow_id)
    assert desk.report(spec).state == "by_hand"
    desk.catalog.delete(OWNER, spec.workflow_id, validate_only=False)
    assert not desk.trigger.forgotten


def test_a_workflow_with_keys_is_registered_with_its_trigger(desk):
    spec = enrol_with_keys(desk, "0x" + "11" * 20)
    assert described(desk, spec).subscriptions[0].state == "registered"


def test_a_payload_that_is_no_config_is_for_the_trigger_to_judge(desk):
    wish = sdk_pb2.TriggerSubscription(id=TRIGGER, method="Trigger")
    wish.payload.Pack(http_pb2.Config())
    wish.payload.value = b"\xff"
    answer = sdk_pb2.ExecutionResult(trigger_subscriptions=sdk_pb2.TriggerSubscriptionRequest(subscriptions=[wish]))
    desk.host.module.on_subscribe = lambda request, helper: answer
    spec = desk.host.register().spec
    desk.desk.enrol(spec)
    assert len(desk.trigger.requests) == 1
