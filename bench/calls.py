"""A capability call to a process plugin, through the registry, beside a bare grpcio echo."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import grpc

from bench.echo_worker import METHOD
from bench.figures import Row, in_turns
from bench.worker import Worker
from strongroom.pb.capabilities.internal.basicaction.v1 import basic_action_pb2
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.registry.host import PluginHost
from strongroom.registry.registry import CapabilityExecutable, Registry
from strongroom.settings.manifest import PluginEntry
from tests.fakes.plugin_host import MemoryStore

__all__ = ["measure"]

CAPABILITY: Final = "basic-test-action@1.0.0"
PROVIDES: Final = (
    CAPABILITY,
    "basic-test-node-action@1.0.0",
    "basic-test-trigger@1.0.0",
    "basic-test-action-trigger@1.0.0",
)
RATIO_MAX: Final = 1.3
DEADLINE_S: Final = 10.0


def measure(directory: Path) -> list[Row]:
    """Rows of the capability call and of the echo."""
    worker = Worker("bench.echo_worker", str(directory / "echo.sock"))
    try:
        with _plugin(directory) as capability, grpc.insecure_channel(f"unix:{directory / 'echo.sock'}") as channel:
            message = capabilities_pb2.CapabilityRequest
            echo = channel.unary_unary(METHOD, message.SerializeToString, message.FromString)
            request = _request()

            def ours() -> float:
                began = time.perf_counter()
                answer = capability.execute(request, timeout_s=DEADLINE_S)
                took = time.perf_counter() - began
                assert answer.payload.value
                return took

            def bare() -> float:
                began = time.perf_counter()
                answer = echo(request, timeout=DEADLINE_S)
                took = time.perf_counter() - began
                assert answer == request
                return took

            taken = in_turns({"strongroom": ours, "grpcio": bare}, warm_up=300, count=4000, budget_s=25)
    finally:
        worker.close()
    call, bare_call = taken["strongroom"], taken["grpcio"]
    ratio = call.p50 / bare_call.p50
    return [
        Row(
            what="capability call to a process plugin, through the registry",
            demanded=f"≤ {RATIO_MAX} x bare grpcio echo",
            measured=f"{ratio:.2f} x",
            met=ratio <= RATIO_MAX,
            samples=call,
        ),
        Row(
            what=f"  beside it: bare grpcio echo of the same {request.ByteSize()} bytes",
            measured="1",
            samples=bare_call,
        ),
    ]


def _request() -> capabilities_pb2.CapabilityRequest:
    """A call as the engine makes it: with the run's metadata."""
    metadata = capabilities_pb2.RequestMetadata(
        workflow_id="00" * 32, workflow_owner="00" * 20, workflow_execution_id="11" * 32, reference_id="1"
    )
    request = capabilities_pb2.CapabilityRequest(metadata=metadata, method="PerformAction", capabilityId=CAPABILITY)
    request.payload.Pack(basic_action_pb2.Inputs(input_thing=True))
    return request


class _NoArtifacts:
    def fetch(self, sha256_hex: str) -> bytes:
        raise LookupError(sha256_hex)


@contextmanager
def _plugin(directory: Path) -> Iterator[CapabilityExecutable]:
    """``basic-test`` as a process, as the daemon starts it."""
    entry = PluginEntry(
        name="basic-test",
        enabled=True,
        required=True,
        factory=None,
        command=("python", "-m", "strongroom_basic_test"),
        config={},
        provides=PROVIDES,
        dialect=None,
        at_most_once=(),
        pin=None,
        where="bench",
    )
    registry = Registry()
    host = PluginHost(
        [entry],
        registry=registry,
        store_of=lambda _plugin: MemoryStore(),
        artifacts=_NoArtifacts(),
        mode="dev",
        runtime_dir=directory / "plugins",
        variables={},
    )
    host.start()
    try:
        yield registry.get_executable(CAPABILITY)
    finally:
        host.stop()
