"""The four test capabilities, and each way to steer them."""

import threading

import pytest

from strongroom.plugin import Call, CapabilityError, LimitExceeded, Registration
from strongroom.plugin.messages import (
    action_and_trigger_pb2,
    basic_action_pb2,
    basic_trigger_pb2,
    capabilities_pb2,
    node_action_pb2,
)
from strongroom_basic_test.plugin import BasicTest

WAIT_S = 30.0


def call(message, *, timeout_s=WAIT_S) -> Call:
    request = capabilities_pb2.CapabilityRequest()
    request.payload.Pack(message)
    return Call(metadata=request.metadata, payload=request.payload, method="", timeout_s=timeout_s)


def action(plugin: BasicTest, *, thing=True, timeout_s=WAIT_S) -> str:
    return plugin.perform_action(call(basic_action_pb2.Inputs(input_thing=thing), timeout_s=timeout_s)).adapted_thing


def test_it_offers_the_four():
    offered = {c.id: (c.kind, sorted(c.methods), sorted(c.triggers)) for c in BasicTest().capabilities()}
    assert offered == {
        "basic-test-action@1.0.0": ("action", ["PerformAction"], []),
        "basic-test-node-action@1.0.0": ("action", ["PerformAction"], []),
        "basic-test-trigger@1.0.0": ("trigger", [], ["Trigger"]),
        "basic-test-action-trigger@1.0.0": ("combined", ["Action"], ["Trigger"]),
    }


def test_the_action_answers_its_input_or_what_it_was_told():
    assert (action(BasicTest()), action(BasicTest(), thing=False)) == ("true", "false")
    assert action(BasicTest(adapted_thing="Done")) == "Done"
    assert len(action(BasicTest(answer_bytes=100_000))) == 100_000


def test_the_first_calls_fail_as_configured():
    plugin = BasicTest(adapted_thing="Done", errors=("Canceled", "LimitExceeded"))
    for code in ("Canceled", "LimitExceeded"):
        with pytest.raises(CapabilityError, match=f"{code} error") as caught:
            action(plugin)
        assert (caught.value.visibility, caught.value.origin, caught.value.name) == ("Public", "System", code)
    assert action(plugin) == "Done"


def test_calls_wait_for_each_other():
    plugin, answers = BasicTest(open_calls=2), []
    first = threading.Thread(target=lambda: answers.append(action(plugin)))
    first.start()
    answers.append(action(plugin, thing=False))
    first.join(WAIT_S)
    assert sorted(answers) == ["false", "true"]


def test_a_call_that_stays_alone_says_so():
    with pytest.raises(CapabilityError, match="only 1 of 2 calls were open at once"):
        action(BasicTest(open_calls=2), timeout_s=0.05)


def test_the_others_answer():
    plugin = BasicTest(output_thing=-7)
    assert plugin.perform_node_action(call(node_action_pb2.NodeInputs())).output_thing == -7
    assert plugin.welcome(call(action_and_trigger_pb2.Input(name="x"))).welcome == "Hello, x!"


@pytest.mark.parametrize(
    "wrong",
    [{"delay_ms": -1}, {"answer_bytes": 2_000_000_000}, {"open_calls": 65}, {"output_thing": 2**31}],
    ids=["negative", "too big", "too many", "over 32 bits"],
)
def test_a_config_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        BasicTest(**wrong)


class Events:
    behind = False

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.enough = threading.Semaphore(0)

    def send(self, event_id, payload):
        if self.behind:
            self.behind = False
            raise LimitExceeded("SR-PLUG-012", "the host is behind")
        self.sent.append((event_id, payload.cool_output))
        self.enough.release()

    def fail(self, error):
        raise AssertionError(error)

    def close(self):
        raise AssertionError("closed")


@pytest.mark.parametrize(
    ("capability", "config"),
    [(2, basic_trigger_pb2.Config(name="t", number=1)), (3, action_and_trigger_pb2.Config(name="t", number=1))],
    ids=["trigger", "action-trigger"],
)
def test_a_registration_gets_its_events(capability, config):
    plugin, events = BasicTest(trigger_events=3, cool_output="cool"), Events()
    request = capabilities_pb2.TriggerRegistrationRequest()
    request.payload.Pack(config)
    registration = Registration(trigger_id="w-0", metadata=request.metadata, payload=request.payload, method="Trigger")
    stop = plugin.capabilities()[capability].triggers["Trigger"].register(registration, events)
    for _ in range(3):
        assert events.enough.acquire(timeout=WAIT_S)
    stop()
    plugin.stop()
    assert events.sent == [("t-1", "cool"), ("t-2", "cool"), ("t-3", "cool")]


def test_a_host_that_is_behind_gets_the_event_again():
    plugin, events = BasicTest(trigger_events=2, cool_output="cool"), Events()
    events.behind = True
    request = capabilities_pb2.TriggerRegistrationRequest()
    request.payload.Pack(basic_trigger_pb2.Config(name="t"))
    registration = Registration(trigger_id="w-0", metadata=request.metadata, payload=request.payload, method="Trigger")
    plugin.capabilities()[2].triggers["Trigger"].register(registration, events)
    for _ in range(2):
        assert events.enough.acquire(timeout=WAIT_S)
    plugin.stop()
    assert events.sent == [("t-1", "cool"), ("t-2", "cool")]
