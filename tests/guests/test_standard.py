"""The standard tests of the guest contract, on bare wasmtime: the guests themselves are right.

Source: contracts/cre-guest.md, section 18; the numbers in the names are its rows.
"""

import threading

import pytest

from strongroom.pb.capabilities.internal.actionandtrigger.v1 import action_and_trigger_pb2
from strongroom.pb.capabilities.internal.basicaction.v1 import basic_action_pb2
from strongroom.pb.capabilities.internal.basictrigger.v1 import basic_trigger_pb2
from strongroom.pb.capabilities.internal.nodeaction.v1 import node_action_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.values.v1 import values_pb2
from tests.guests.bare import run_bare
from tests.guests.build import wasm
from tests.guests.host import PretendedHost, any_of, trigger

SUBSCRIBE = sdk_pb2.ExecuteRequest(subscribe={}, config=b"config", max_response_size=100_000)
EVENT = trigger(basic_trigger_pb2.Outputs(cool_output="test value"))
ACTION = ("basic-test-action@1.0.0", "PerformAction")
NODE_ACTION = ("basic-test-node-action@1.0.0", "PerformAction")
CONSENSUS = ("consensus@1.0.0-alpha", "Simple")
CODES = [
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
    "ConsensusFailed",
    "LimitExceeded",
    "InsufficientObservations",
]


def adapted(thing):
    return basic_action_pb2.Outputs(adapted_thing=thing)


def input_of(request):
    inputs = basic_action_pb2.Inputs()
    assert request.payload.Unpack(inputs)
    return inputs.input_thing


def observe(request):
    """Consensus of one observer: the observed value, or an error with the observed text."""
    inputs = sdk_pb2.SimpleConsensusInputs()
    assert request.payload.Unpack(inputs)
    return (
        inputs.value if inputs.WhichOneof("observation") == "value" else f"Public:User:ConsensusFailed:{inputs.error}"
    )


def node(number):
    return lambda _: node_action_pb2.NodeOutputs(output_thing=number)


class Run:
    """One run of a guest: what it answered and what its host saw."""

    def __init__(self, name, request=EVENT, **host):
        self.host = PretendedHost(**host)
        run = run_bare(wasm(name), request, self.host)
        assert run.result is not None
        self.result, self.counts = run.result, run.counts

    @property
    def text(self):
        assert self.result.WhichOneof("result") == "value", self.result
        return self.result.value.string_value


def test_1_config():
    run = Run("config")
    assert run.result.value.bytes_value == b"config"
    assert run.counts == {"switch_modes": 1, "send_response": 1}


def test_2_errors():
    assert "workflow execution failure" in Run("errors").result.error


def test_3_capability_errors():
    queue = [*(f"Public:System:{code}:{code} error" for code in CODES), adapted("Done")]
    run = Run("capability-errors", answers={ACTION: lambda _: queue.pop(0)})
    assert run.text == "Done"
    assert (run.counts["call_capability"], run.counts["await_capabilities"]) == (20, 20)
    assert [call.callback_id for call in run.host.calls] == list(range(20))


@pytest.mark.parametrize(
    "spoilt", ["Private:System:Canceled:Canceled error", "Canceled", "Public:System:Unknown:x", ""]
)
def test_3_the_guest_notices_another_error(spoilt):
    run = Run("capability-errors", answers={ACTION: lambda _: spoilt})
    assert run.result.error == f"Canceled expected, this came: {spoilt}"


@pytest.mark.parametrize("name", ["async-calls", "async-calls-v2"])
def test_4_capability_calls_are_async(name):
    both = threading.Barrier(2, timeout=10)

    def answer(request):
        both.wait()
        return adapted(str(input_of(request)).lower())

    assert Run(name, answers={ACTION: answer}).text == "truefalse"


def test_5_host_wasm_write_errors_are_respected():
    run = Run("big-answer", answers={ACTION: lambda _: adapted("x" * 5_000_000)})
    assert "response buffer too small" in run.result.error


def test_6_mode_switch():
    seen = []

    def agree(request):
        inputs = sdk_pb2.SimpleConsensusInputs()
        assert request.payload.Unpack(inputs)
        seen.append(inputs)
        agreed = values_pb2.Value()
        agreed.map_value.fields["OutputThing"].int64_value = 556
        return agreed

    answers = {ACTION: lambda _: adapted("test"), NODE_ACTION: node(555), CONSENSUS: agree}
    run = Run("mode-switch", answers=answers)
    assert run.text == "test556"
    assert run.host.asked_time == 2
    assert run.counts == {
        "switch_modes": 3,
        "now": 3,
        "call_capability": 3,
        "await_capabilities": 3,
        "send_response": 1,
    }
    [inputs] = seen
    assert inputs.value.map_value.fields["OutputThing"].int64_value == 555
    assert inputs.default.map_value.fields["OutputThing"].int64_value == 123
    fields = inputs.descriptors.fields_map.fields
    assert fields["OutputThing"].aggregation == sdk_pb2.AGGREGATION_TYPE_MEDIAN


def test_6b_node_runtime_in_don_mode():
    run = Run("node-in-don", answers={CONSENSUS: observe})
    assert "cannot use NodeRuntime outside RunInNodeMode" in run.result.error
    [call] = run.host.calls
    assert observe(call).string_value == "hi"


def test_6c_and_11_don_runtime_and_secrets_in_node_mode():
    run = Run("don-in-node", answers={CONSENSUS: observe})
    assert "cannot use Runtime inside RunInNodeMode" in run.result.error
    [call] = run.host.calls
    assert "cannot use Runtime inside RunInNodeMode" in observe(call)


def test_7_logging():
    [(mode, line)] = Run("logging").host.lines
    assert (mode, "log from wasm!" in line) == (1, True)


def test_8_multiple_triggers_registration():
    basic, both = basic_trigger_pb2.Config, action_and_trigger_pb2.Config
    found = Run("multi-trigger", SUBSCRIBE).result.trigger_subscriptions.subscriptions
    assert [(s.id, s.method, s.payload) for s in found] == [
        ("basic-test-trigger@1.0.0", "Trigger", any_of(basic(name="first-trigger", number=100))),
        ("basic-test-action-trigger@1.0.0", "Trigger", any_of(both(name="second-trigger", number=150))),
        ("basic-test-trigger@1.0.0", "Trigger", any_of(basic(name="third-trigger", number=200))),
    ]


@pytest.mark.parametrize(
    ("index", "payload", "text"),
    [
        (0, basic_trigger_pb2.Outputs(cool_output="test value"), "called 0 with test value"),
        (2, basic_trigger_pb2.Outputs(cool_output="different"), "called 2 with different"),
        (1, action_and_trigger_pb2.TriggerEvent(cool_output="different"), "called 1 with different"),
    ],
    ids=["8b first callback", "8c same trigger, other registration", "8d other capability"],
)
def test_8_multiple_triggers(index, payload, text):
    assert Run("multi-trigger", trigger(payload, index=index)).text == text


def test_9_random():
    def number(execution_id, observed, seed):
        run = Run(
            "random",
            answers={NODE_ACTION: node(observed), CONSENSUS: observe},
            execution_id=execution_id,
            node_seed=seed,
        )
        return run.result.value.uint64_value, run.host.lines

    first, no_lines = number("Id", 150, 1)
    second, [(mode, line)] = number("Id", 99, 2)
    third, _ = number("differentId", 120, 1)
    assert first == second != third
    assert not no_lines
    assert (mode, line[:3]) == (2, "***")
    assert 0 <= int(line[3:]) < 2**64


def test_10_secrets():
    run = Run("secrets", secrets={("main", "Foo"): "Bar"})
    assert run.text == "Bar"
    [asked] = run.host.asked_secrets
    assert [(r.id, r.namespace) for r in asked.requests] == [("Foo", "")]


def test_10b_a_secret_that_does_not_exist():
    assert "could not find secret" in Run("secrets").result.error


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (1577934245000, "2020-01-02T03:04:05Z"),
        (0, "1970-01-01T00:00:00Z"),
        (951782399000, "2000-02-28T23:59:59Z"),
        (951782400000, "2000-02-29T00:00:00Z"),
        (4107542400000, "2100-03-01T00:00:00Z"),
    ],
)
def test_12_time_interpretation(milliseconds, text):
    assert Run("time", times_ns=[milliseconds * 1_000_000]).text == text


def test_13_tee_runtime():
    first, second = Run("tee", SUBSCRIBE).result.trigger_subscriptions.subscriptions
    [wanted] = first.requirements.tee.tee_types_and_regions.tee_type_and_regions
    assert (wanted.type, list(wanted.regions)) == (sdk_pb2.TEE_TYPE_AWS_NITRO, ["us-west-2"])
    assert first.payload == any_of(basic_trigger_pb2.Config(name="first-trigger", number=100))
    assert not second.HasField("requirements")
    assert second.payload == any_of(basic_trigger_pb2.Config(name="second-trigger", number=200))


def test_14_restrictions():
    [subscription] = Run("restrictions", SUBSCRIBE).result.trigger_subscriptions.subscriptions
    assert subscription.pre_hook
    pre_hook = sdk_pb2.ExecuteRequest(pre_hook=EVENT.trigger, config=b"config")
    restrictions = Run("restrictions", pre_hook).result.restrictions
    assert restrictions.HasField("capabilities")
    assert restrictions.capabilities == sdk_pb2.CapabilityRestrictions()
    assert not restrictions.HasField("secrets")
    denied = "call denied by user pre-hook restrictions: basic-test-action@1.0.0 PerformAction"
    assert denied in Run("restrictions", answers={ACTION: lambda _: denied}).result.error


@pytest.mark.parametrize("name", ["duplicate-call", "duplicate-call-v2"])
def test_a_duplicate_call_is_refused_in_both_forms(name):
    run = Run(name, answers={ACTION: lambda _: adapted("x")}, secrets={("main", "Foo"): "Bar"})
    assert run.result.error == "error calling callCapAsync: duplicate callback id not allowed"


def test_many_calls_are_all_answered():
    run = Run(
        "many-calls", trigger(basic_trigger_pb2.Outputs(), config=b"200"), answers={ACTION: lambda _: adapted("")}
    )
    assert run.text == "200 answers"
    assert len(run.host.calls) == 200
