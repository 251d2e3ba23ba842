"""How the standard tests run their guests: in C and in Go, on bare wasmtime and on what runs them for real."""

import pytest

from strongroom.guest.limits import GuestLimits
from strongroom.pb.capabilities.internal.basicaction.v1 import basic_action_pb2
from strongroom.pb.capabilities.internal.basictrigger.v1 import basic_trigger_pb2
from strongroom.pb.capabilities.internal.nodeaction.v1 import node_action_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.one_guest import run_guest
from tests.guests.bare import run_bare
from tests.guests.build import wasm
from tests.guests.host import PretendedHost, trigger

__all__ = ["ACTION", "CONSENSUS", "EVENT", "NODE_ACTION", "Run", "adapted", "execute", "in_go", "input_of", "node"]
__all__ += ["observe", "run"]

EVENT = trigger(basic_trigger_pb2.Outputs(cool_output="test value"))
ACTION = ("basic-test-action@1.0.0", "PerformAction")
NODE_ACTION = ("basic-test-node-action@1.0.0", "PerformAction")
CONSENSUS = ("consensus@1.0.0-alpha", "Simple")


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

    def __init__(self, execute, name, request, host):
        self.host = host
        self.result, self.counts = execute(name, request, host)

    @property
    def text(self):
        assert self.result.WhichOneof("result") == "value", self.result
        return self.result.value.string_value

    def counted(self, **counts):
        """Whether the imports were called so often; only bare wasmtime counts."""
        return self.counts is None or self.counts == counts


def on_bare_wasmtime(module, request, host):
    run = run_bare(module, request, host)
    return run.result, run.counts


def in_this_process(module, request, host):
    answer = run_guest(module, request.SerializeToString(), host, limits=GuestLimits())
    return sdk_pb2.ExecutionResult.FromString(answer), None


def in_go(execute):
    """``execute`` with the Go guest in the place of a C guest."""

    def instead(name, request, host):
        told = sdk_pb2.ExecuteRequest()
        told.CopyFrom(request)
        if name != "config":
            told.config = name.removesuffix("-v2").encode()
        return execute(wasm("go-v2" if name.endswith("-v2") else "go"), told, host)

    return instead


@pytest.fixture(params=["bare wasmtime", "in this process", "in a runner", "Go in a runner"])
def execute(request):
    """``execute(name, request, host)``: the result, and how often each import was called where that is known."""
    if request.param.endswith("in a runner"):
        real = request.getfixturevalue("in_a_runner")
        if request.param.startswith("Go"):
            return in_go(lambda *order: (real(*order), None))
        return lambda name, *order: (real(wasm(name), *order), None)
    plain = {"bare wasmtime": on_bare_wasmtime, "in this process": in_this_process}[request.param]
    return lambda name, *order: plain(wasm(name), *order)


@pytest.fixture
def run(execute):
    return lambda name, event=EVENT, **host: Run(execute, name, event, PretendedHost(**host))
