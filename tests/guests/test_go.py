"""The Go guest: a module of megabytes with a runtime of its own, which asks WASI for much more than a C guest does."""

import pytest

from strongroom.errors import GuestFault, TimedOut
from strongroom.pb.capabilities.internal.basicaction.v1 import basic_action_pb2
from strongroom.pb.capabilities.networking.http.v1alpha import http_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.guests.bare import compiled, run_bare
from tests.guests.build import wasm
from tests.guests.host import PretendedHost, any_of, trigger
from tools.build_guests import ROOT, build_go

pytestmark = pytest.mark.slow


def on_bare_wasmtime(module, request, host):
    return run_bare(module, request, host).result


@pytest.fixture(params=["bare wasmtime", "in a runner"])
def answered(request):
    bare = request.param == "bare wasmtime"
    execute = on_bare_wasmtime if bare else request.getfixturevalue("in_a_runner")

    def answer(config, *, payload=b"", host=None):
        event = trigger(http_pb2.Payload(input=payload), config=config)
        return execute(wasm("go"), event, host or PretendedHost())

    return answer


def test_it_is_big_and_asks_for_much():
    imports = {item.name for item in compiled(wasm("go"))[1].imports}
    assert len(wasm("go")) > 2_000_000
    assert imports > {"version_v2_go", "poll_oneoff", "clock_time_get", "random_get", "fd_prestat_get", "sched_yield"}


def test_the_same_sources_give_the_same_bytes_and_no_path_is_inside(tmp_path):
    build_go(tmp_path / "again.wasm")
    assert (tmp_path / "again.wasm").read_bytes() == wasm("go")
    assert str(ROOT).encode() not in wasm("go")


def test_it_subscribes_to_the_http_trigger():
    run = run_bare(wasm("go"), sdk_pb2.ExecuteRequest(subscribe={}))
    assert run.result is not None
    [subscription] = run.result.trigger_subscriptions.subscriptions
    assert (subscription.id, subscription.method) == ("http-trigger@1.0.0-alpha", "Trigger")
    assert subscription.payload == any_of(http_pb2.Config())


def test_it_answers_its_config(answered):
    assert answered(b"config").value.bytes_value == b"config"


def test_it_echoes(answered):
    content = bytes(range(256)) * 40
    assert answered(b"echo", payload=content).value.bytes_value == content


def test_it_makes_two_calls_at_once(answered):
    def answer(request):
        inputs = basic_action_pb2.Inputs()
        assert request.payload.Unpack(inputs)
        return basic_action_pb2.Outputs(adapted_thing=str(inputs.input_thing).lower())

    host = PretendedHost(answers={("basic-test-action@1.0.0", "PerformAction"): answer})
    assert answered(b"call", host=host).value.bytes_value == b"truefalse"
    assert host.lines == [(1, "called true, false")]
    assert [call.callback_id for call in host.calls] == [1, 2]


def test_it_passes_on_why_a_call_failed(answered):
    assert answered(b"call").error == "action capability not found"


def test_it_exits_with_2_when_it_panics():
    run = run_bare(wasm("go"), trigger(http_pb2.Payload(), config=b"panic"))
    assert (run.result, run.exit_code) == (None, 2)


def test_a_runner_ends_it_when_it_spins(in_a_runner):
    event = trigger(http_pb2.Payload(), config=b"spin")
    with pytest.raises(TimedOut, match="500 ms"):
        in_a_runner(wasm("go"), event, PretendedHost(timeout_ms=500))


def test_a_panic_fails_its_run_in_a_runner(in_a_runner):
    with pytest.raises(GuestFault, match="exit status 2"):
        in_a_runner(wasm("go"), trigger(http_pb2.Payload(), config=b"panic"), PretendedHost())
