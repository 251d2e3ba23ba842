"""The standard tests of the guest contract, written as an author would: with nothing but ``strongroom.testing``.

Source: contracts/cre-guest.md, section 18; the numbers in the names are its rows, the counts those that it gives.
"""

import asyncio
import itertools
import threading

import pytest

from strongroom.pb.capabilities.internal.actionandtrigger.v1 import action_and_trigger_pb2
from strongroom.pb.capabilities.internal.basictrigger.v1 import basic_trigger_pb2
from strongroom.testing import CapabilityError, run_guest, sdk_pb, values_pb
from tests.guests.build import wasm
from tests.testing.answers import (
    ACTION,
    CODES,
    CONSENSUS,
    EVENT,
    NODE_ACTION,
    SUBSCRIBE,
    adapted,
    answer,
    event,
    input_of,
    node,
    observe,
)

FIVE_PAST_THREE_NS = 1_577_934_245_000_000_000


def run(name, request=EVENT, *, execution_id="id", **given):
    """The guest's outcome; it must have ended with a result."""
    outcome = run_guest(wasm(name), request, execution_id=execution_id, **given)
    assert outcome.error is None
    return outcome


def text(outcome):
    assert outcome.result.WhichOneof("result") == "value", outcome.result
    return outcome.result.value.string_value


def test_1_config():
    outcome = run("config")
    assert outcome.result.value.bytes_value == b"config"
    assert (outcome.calls, outcome.logs) == ([], [])


def test_2_errors():
    assert "workflow execution failure" in run("errors").result.error


def returned(code):
    return sdk_pb.CapabilityResponse(error=f"Public:System:{code}:{code} error")


def raised(code):
    raise CapabilityError("Public", "System", code, f"{code} error")


@pytest.mark.parametrize("fails", [returned, raised], ids=["as an answer", "as an exception"])
def test_3_capability_errors(fails):
    codes = iter(CODES)

    def action(_request):
        code = next(codes, None)
        return adapted("Done") if code is None else fails(code)

    outcome = run("capability-errors", capabilities={ACTION: action})
    assert text(outcome) == "Done"
    assert [call.callback_id for call in outcome.calls] == list(range(20))
    assert {(call.id, call.method) for call in outcome.calls} == {(ACTION, "PerformAction")}


@pytest.mark.parametrize("name", ["async-calls", "async-calls-v2"])
def test_4_capability_calls_are_async_with_functions_that_block(name):
    both = threading.Barrier(2, timeout=60)

    def action(request):
        both.wait()
        return adapted(str(input_of(request)).lower())

    outcome = run(name, capabilities={ACTION: action})
    assert text(outcome) == "truefalse"
    assert [input_of(call) for call in outcome.calls] == [True, False]


def test_4_capability_calls_are_async_with_functions_that_await():
    both = asyncio.Barrier(2)

    async def action(request):
        async with asyncio.timeout(10):
            await both.wait()
        return adapted(str(input_of(request)).lower())

    assert text(run("async-calls", capabilities={ACTION: action})) == "truefalse"


def test_5_host_wasm_write_errors_are_respected():
    huge = sdk_pb.CapabilityResponse()
    huge.payload.value = bytes(500_000_000)
    outcome = run("big-answer", capabilities={ACTION: lambda _: huge})
    assert "response buffer too small" in outcome.result.error


def test_6_mode_switch():
    agreed = values_pb.Value()
    agreed.map_value.fields["OutputThing"].int64_value = 556
    order, seen = [], []

    def clock(mode):
        def read():
            order.append(mode)
            return FIVE_PAST_THREE_NS

        return read

    def consensus(request):
        inputs = sdk_pb.SimpleConsensusInputs()
        assert request.payload.Unpack(inputs)
        seen.append(inputs)
        return answer(agreed)

    capabilities = {ACTION: lambda _: adapted("test"), NODE_ACTION: lambda _: node(555), CONSENSUS: consensus}
    outcome = run("mode-switch", capabilities=capabilities, don_time=clock("DON"), node_time=clock("NODE"))
    assert text(outcome) == "test556"
    assert [mode for mode, _ in itertools.groupby(order)] == ["DON", "NODE", "DON"]
    assert order.count("DON") == 2
    assert [call.id for call in outcome.calls] == [ACTION, NODE_ACTION, CONSENSUS]
    [inputs] = seen
    assert inputs.value.map_value.fields["OutputThing"].int64_value == 555
    assert inputs.default.map_value.fields["OutputThing"].int64_value == 123
    descriptor = inputs.descriptors.fields_map.fields["OutputThing"]
    assert descriptor.aggregation == sdk_pb.AGGREGATION_TYPE_MEDIAN


def observed(outcome):
    [call] = outcome.calls
    inputs = sdk_pb.SimpleConsensusInputs()
    assert call.id == CONSENSUS
    assert call.payload.Unpack(inputs)
    return inputs


def test_6b_node_runtime_in_don_mode():
    outcome = run("node-in-don", capabilities={CONSENSUS: observe})
    assert "cannot use NodeRuntime outside RunInNodeMode" in outcome.result.error
    assert observed(outcome).value.string_value == "hi"


def test_6c_and_11_don_runtime_and_secrets_in_node_mode():
    outcome = run("don-in-node", capabilities={CONSENSUS: observe})
    assert "cannot use Runtime inside RunInNodeMode" in outcome.result.error
    assert "cannot use Runtime inside RunInNodeMode" in observed(outcome).error


def test_7_logging():
    [line] = run("logging").logs
    assert "log from wasm!" in line


def test_8_multiple_triggers_test_registration():
    found = run("multi-trigger", SUBSCRIBE).result.trigger_subscriptions.subscriptions
    basic, both = basic_trigger_pb2.Config(), action_and_trigger_pb2.Config()
    seen = []
    for subscription, config in zip(found, (basic, both, basic), strict=True):
        assert subscription.payload.Unpack(config)
        seen.append((subscription.id, subscription.method, config.name, config.number))
    assert seen == [
        ("basic-test-trigger@1.0.0", "Trigger", "first-trigger", 100),
        ("basic-test-action-trigger@1.0.0", "Trigger", "second-trigger", 150),
        ("basic-test-trigger@1.0.0", "Trigger", "third-trigger", 200),
    ]


@pytest.mark.parametrize(
    ("index", "payload", "said"),
    [
        (0, basic_trigger_pb2.Outputs(cool_output="test value"), "called 0 with test value"),
        (2, basic_trigger_pb2.Outputs(cool_output="different"), "called 2 with different"),
        (1, action_and_trigger_pb2.TriggerEvent(cool_output="different"), "called 1 with different"),
    ],
    ids=["8b first callback", "8c same trigger, other registration", "8d other capability"],
)
def test_8_multiple_triggers(index, payload, said):
    assert text(run("multi-trigger", event(payload, index=index))) == said


def test_9_random():
    def number(execution_id, node_result):
        capabilities = {NODE_ACTION: lambda _: node(node_result), CONSENSUS: observe}
        outcome = run("random", execution_id=execution_id, capabilities=capabilities)
        return outcome.result.value.uint64_value, outcome.logs

    first, no_lines = number("Id", 150)
    second, [line] = number("Id", 99)
    third, _ = number("differentId", 120)
    assert first == second != third
    assert no_lines == []
    before, _, after = line.partition("***")
    assert before == ""
    assert 0 <= int(after) < 2**64


def test_10_secrets_returns_the_secret_value():
    assert text(run("secrets", secrets={("main", "Foo"): "Bar"})) == "Bar"


def test_10b_secrets_returns_an_error_if_the_secret_does_not_exist():
    assert "could not find secret" in run("secrets", secrets={("other", "Foo"): "Bar"}).result.error


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (1577934245000, "2020-01-02T03:04:05Z"),
        (951782400000, "2000-02-29T00:00:00Z"),
        (4107542400000, "2100-03-01T00:00:00Z"),
    ],
)
def test_12_time_interpretation(milliseconds, said):
    assert text(run("time", don_time=lambda: milliseconds * 1_000_000)) == said


def test_13_tee_runtime():
    first, second = run("tee", SUBSCRIBE).result.trigger_subscriptions.subscriptions
    [wanted] = first.requirements.tee.tee_types_and_regions.tee_type_and_regions
    assert (wanted.type, list(wanted.regions)) == (sdk_pb.TEE_TYPE_AWS_NITRO, ["us-west-2"])
    assert not second.HasField("requirements")
    configs = [basic_trigger_pb2.Config(), basic_trigger_pb2.Config()]
    assert first.payload.Unpack(configs[0])
    assert second.payload.Unpack(configs[1])
    assert [(c.name, c.number) for c in configs] == [("first-trigger", 100), ("second-trigger", 200)]


def test_14_restrictions():
    [subscription] = run("restrictions", SUBSCRIBE).result.trigger_subscriptions.subscriptions
    assert subscription.pre_hook
    hooked = sdk_pb.ExecuteRequest(pre_hook=EVENT.trigger, config=b"config")
    restrictions = run("restrictions", hooked).result.restrictions
    assert restrictions.HasField("capabilities")
    assert restrictions.capabilities == sdk_pb.CapabilityRestrictions()
    denial = "call denied by user pre-hook restrictions: basic-test-action@1.0.0 PerformAction"

    def denied(_request):
        raise CapabilityError("Public", "User", "LimitExceeded", denial)

    outcome = run("restrictions", capabilities={ACTION: denied})
    assert denial in outcome.result.error
    assert len(outcome.calls) == 1
