"""A capability call to a process plugin, through the registry, beside a bare grpcio echo."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import grpc

from bench.echo_worker import METHOD
from bench.figures import Row, Samples, in_turns
from bench.worker import Worker
from strongroom.pb.capabilities.internal.basicaction.v1 import basic_action_pb2
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.registry.handles import CapabilityExecutable
from strongroom.registry.host import PluginHost
from strongroom.registry.registry import Registry
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
PAIRS: Final = 5
"""Fresh processes each time: where the kernel puts them moves a call by a fifth, and the ratio with it."""
COUNT: Final = 1500
WARM_UP: Final = 300


def measure(directory: Path) -> list[Row]:
    """Rows of the capability call and of the echo."""
    request = _request()
    call, bare_call = _joined([_pair(directory / f"pair{number}", request) for number in range(PAIRS)])
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


def _pair(directory: Path, request: capabilities_pb2.CapabilityRequest) -> tuple[Samples, Samples]:
    """Samples of both, with a fresh process for each."""
    directory.mkdir(mode=0o700)
    socket = str(directory / "echo.sock")
    worker = Worker("bench.echo_worker", socket)
    try:
        with _plugin(directory) as capability, grpc.insecure_channel(f"unix:{socket}") as channel:
            message = capabilities_pb2.CapabilityRequest
            echo = channel.unary_unary(METHOD, message.SerializeToString, message.FromString)

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

            taken = in_turns({"strongroom": ours, "grpcio": bare}, warm_up=WARM_UP, count=COUNT, budget_s=8)
    finally:
        worker.close()
    return taken["strongroom"], taken["grpcio"]


def _joined(pairs: Sequence[tuple[Samples, Samples]]) -> tuple[Samples, Samples]:
    """The samples of all pairs, side by side."""
    ours, bare = zip(*pairs, strict=True)
    calls, echoes = ([second for samples in side for second in samples.seconds] for side in (ours, bare))
    return Samples(calls, WARM_UP), Samples(echoes, WARM_UP)


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
