"""The standard tests of the guest contract: guests in C and Go, on bare wasmtime and then on what runs them for real.

Source: contracts/cre-guest.md, section 18; the numbers in the names are its rows. The C guests are a module for each
test, in Go it is one module that is told by its config which test it is.
"""

import threading

import pytest

from strongroom.pb.capabilities.internal.actionandtrigger.v1 import action_and_trigger_pb2
from strongroom.pb.capabilities.internal.basictrigger.v1 import basic_trigger_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.values.v1 import values_pb2
from tests.guests.build import wasm
from tests.guests.host import PretendedHost, any_of, trigger
from tests.guests.standard import (
    ACTION,
    CONSENSUS,
    EVENT,
    NODE_ACTION,
    adapted,
    execute,
    in_go,
    input_of,
    node,
    observe,
    run,
)

__all__ = ["execute", "run"]

SUBSCRIBE = sdk_pb2.ExecuteRequest(subscribe={}, config=b"config", max_response_size=100_000)
CODES = [
    name
    for line in (
        "Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied ResourceExhausted",
        "FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss Unauthenticated",
        "ConsensusFailed LimitExceeded InsufficientObservations",
    )
    for name in line.split()
]


def test_1_config(run):
    done = run("config")
    assert done.result.value.bytes_value == b"config"
    assert done.counted(switch_modes=1, send_response=1)


def test_2_errors(run):
    assert "workflow execution failure" in run("errors").result.error


def test_3_capability_errors(run):
    queue = [*(f"Public:System:{code}:{code} error" for code in CODES), adapted("Done")]
    done = run("capability-errors", answers={ACTION: lambda _: queue.pop(0)})
    assert done.text == "Done"
    assert done.counted(switch_modes=1, call_capability=20, await_capabilities=20, send_response=1)
    ids = [call.callback_id for call in done.host.calls]
    assert ids == list(range(ids[0], ids[0] + 20))


@pytest.mark.parametrize(
    "spoilt", ["Private:System:Canceled:Canceled error", "Canceled", "Public:System:Unknown:x", ""]
)
def test_3_the_guest_notices_another_error(run, spoilt):
    done = run("capability-errors", answers={ACTION: lambda _: spoilt})
    assert done.result.error == f"Canceled expected, this came: {spoilt}"


@pytest.mark.parametrize("name", ["async-calls", "async-calls-v2"])
def test_4_capability_calls_are_async(run, name):
    both = threading.Barrier(2, timeout=60)

    def answer(request):
        both.wait()
        return adapted(str(input_of(request)).lower())

    assert run(name, answers={ACTION: answer}).text == "truefalse"


def test_5_host_wasm_write_errors_are_respected(run):
    done = run("big-answer", answers={ACTION: lambda _: adapted("x" * 5_000_000)})
    assert "response buffer too small" in done.result.error


@pytest.mark.parametrize("go", [False, True], ids=["C", "Go"])
def test_5_host_wasm_write_errors_are_respected_with_500_megabytes(in_a_runner, go):
    class Generous(PretendedHost):
        def call_capability(self, request):
            response = sdk_pb2.CapabilityResponse()
            response.payload.value = bytes(500_000_000)
            return response

    execute = in_go(in_a_runner) if go else lambda name, *order: in_a_runner(wasm(name), *order)
    assert "response buffer too small" in execute("big-answer", EVENT, Generous()).error


def test_6_mode_switch(run):
    seen = []

    def agree(request):
        inputs = sdk_pb2.SimpleConsensusInputs()
        assert request.payload.Unpack(inputs)
        seen.append(inputs)
        agreed = values_pb2.Value()
        agreed.map_value.fields["OutputThing"].int64_value = 556
        return agreed

    answers = {ACTION: lambda _: adapted("test"), NODE_ACTION: node(555), CONSENSUS: agree}
    done = run("mode-switch", answers=answers)
    assert done.text == "test556"
    assert done.host.asked_time == 2
    assert done.counted(switch_modes=3, now=3, call_capability=3, await_capabilities=3, send_response=1)
    [inputs] = seen
    assert inputs.value.map_value.fields["OutputThing"].int64_value == 555
    assert inputs.default.map_value.fields["OutputThing"].int64_value == 123
    fields = inputs.descriptors.fields_map.fields
    assert fields["OutputThing"].aggregation == sdk_pb2.AGGREGATION_TYPE_MEDIAN


def test_6b_node_runtime_in_don_mode(run):
    done = run("node-in-don", answers={CONSENSUS: observe})
    assert "cannot use NodeRuntime outside RunInNodeMode" in done.result.error
    [call] = done.host.calls
    assert observe(call).string_value == "hi"


def test_6c_don_runtime_in_node_mode(run):
    done = run("don-in-node", answers={CONSENSUS: observe})
    assert "cannot use Runtime inside RunInNodeMode" in done.result.error
    [call] = done.host.calls
    assert "cannot use Runtime inside RunInNodeMode" in observe(call)


def test_7_logging(run):
    [(mode, line)] = run("logging").host.lines
    assert (mode, "log from wasm!" in line) == (1, True)


def test_8_multiple_triggers_registration(run):
    basic, both = basic_trigger_pb2.Config, action_and_trigger_pb2.Config
    found = run("multi-trigger", SUBSCRIBE).result.trigger_subscriptions.subscriptions
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
def test_8_multiple_triggers(run, index, payload, text):
    assert run("multi-trigger", trigger(payload, index=index)).text == text


def test_9_random(run):
    def number(execution_id, observed, seed):
        done = run(
            "random",
            answers={NODE_ACTION: node(observed), CONSENSUS: observe},
            execution_id=execution_id,
            node_seed=seed,
        )
        return done.result.value.uint64_value, done.host.lines

    first, no_lines = number("Id", 150, 1)
    second, [(mode, line)] = number("Id", 99, 2)
    third, _ = number("differentId", 120, 1)
    assert first == second != third
    assert not no_lines
    assert (mode, line[:3]) == (2, "***")
    assert 0 <= int(line[3:]) < 2**64


def test_10_secrets(run):
    done = run("secrets", secrets={("main", "Foo"): "Bar"})
    assert done.text == "Bar"
    [asked] = done.host.asked_secrets
    # A raw guest leaves the namespace to the host, the SDKs name the default themselves.
    [(name, namespace)] = [(r.id, r.namespace) for r in asked.requests]
    assert (name, namespace in {"", "main"}) == ("Foo", True)


def test_10b_a_secret_that_does_not_exist(run):
    assert "could not find secret" in run("secrets").result.error


def test_11_secrets_fail_in_node_mode(run):
    # The check is the SDK's; the host never hears of the fetch.
    done = run("secrets-in-node", answers={CONSENSUS: observe}, secrets={("main", "Foo"): "Bar"})
    assert "cannot use Runtime inside RunInNodeMode" in done.result.error
    assert done.host.asked_secrets == []


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
def test_12_time_interpretation(run, milliseconds, text):
    assert run("time", times_ns=[milliseconds * 1_000_000]).text == text


def test_13_tee_runtime(run):
    first, second = run("tee", SUBSCRIBE).result.trigger_subscriptions.subscriptions
    [wanted] = first.requirements.tee.tee_types_and_regions.tee_type_and_regions
    assert (wanted.type, list(wanted.regions)) == (sdk_pb2.TEE_TYPE_AWS_NITRO, ["us-west-2"])
    assert first.payload == any_of(basic_trigger_pb2.Config(name="first-trigger", number=100))
    assert not second.HasField("requirements")
    assert second.payload == any_of(basic_trigger_pb2.Config(name="second-trigger", number=200))


def test_14_restrictions(run):
    [subscription] = run("restrictions", SUBSCRIBE).result.trigger_subscriptions.subscriptions
    assert subscription.pre_hook
    pre_hook = sdk_pb2.ExecuteRequest(pre_hook=EVENT.trigger, config=b"config")
    restrictions = run("restrictions", pre_hook).result.restrictions
    assert restrictions.HasField("capabilities")
    assert restrictions.capabilities == sdk_pb2.CapabilityRestrictions()
    assert not restrictions.HasField("secrets")
    denied = "call denied by user pre-hook restrictions: basic-test-action@1.0.0 PerformAction"
    assert denied in run("restrictions", answers={ACTION: lambda _: denied}).result.error


@pytest.mark.parametrize("name", ["duplicate-call", "duplicate-call-v2"])
def test_a_duplicate_call_is_refused_in_both_forms(run, name):
    done = run(name, answers={ACTION: lambda _: adapted("x")}, secrets={("main", "Foo"): "Bar"})
    assert done.result.error == "error calling callCapAsync: duplicate callback id not allowed"


def test_a_thousand_calls_are_all_answered(in_a_runner):
    host = PretendedHost(answers={ACTION: lambda _: adapted("")})
    result = in_a_runner(wasm("many-calls"), trigger(basic_trigger_pb2.Outputs(), config=b"1000"), host)
    assert result.value.string_value == "1000 answers"
    assert len(host.calls) == 1_000
