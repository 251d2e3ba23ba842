"""A fresh instance and ``_start`` of the Go guest, beside the same on bare wasmtime."""

import base64
import os
import time
from pathlib import Path
from typing import Final

from bench.figures import Row, Samples, in_turns
from bench.worker import Worker
from strongroom.crypto.keys import Key
from strongroom.guest.cache import CompiledCache
from strongroom.guest.limits import GuestLimits
from strongroom.guest.pool import RunnerPool
from strongroom.pb.capabilities.networking.http.v1alpha import http_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.guests.build import guest
from tests.guests.host import PretendedHost, trigger

__all__ = ["measure"]

RATIO_MAX: Final = 1.3
COUNT: Final = 400
WARM_UP: Final = 30


def measure(directory: Path) -> list[Row]:
    """Rows of the execution core, and of the same guest through the pool of runner processes."""
    path = guest("go")
    request = trigger(http_pb2.Payload(input=b"a" * 1024), config=b"echo").SerializeToString()
    worker = Worker("bench.guest_worker", str(path), base64.b64encode(request).decode())
    try:
        taken = {name: Samples(seconds, WARM_UP) for name, seconds in worker.ask(str(COUNT)).items()}
    finally:
        worker.close()
    ours, bare = taken["strongroom"], taken["bare wasmtime"]
    ratio = ours.p50 / bare.p50
    pooled = _pooled(directory, path.read_bytes(), request)
    return [
        Row(
            what="fresh instance and _start of the Go guest, 1 KiB",
            demanded=f"≤ {RATIO_MAX} x bare wasmtime",
            measured=f"{ratio:.2f} x",
            met=ratio <= RATIO_MAX,
            samples=ours,
        ),
        Row(what="  beside it: bare wasmtime with its own WASI", measured="1", samples=bare),
        Row(
            what="  the same through the pool, in a runner process",
            measured=f"{pooled.p50 / bare.p50:.2f} x",
            samples=pooled,
        ),
    ]


def _pooled(directory: Path, wasm: bytes, request: bytes) -> Samples:
    """The same guest as the engine calls it: over the socket to a runner process and back."""
    cache = CompiledCache(directory / "native", Key.from_secret(os.urandom(32)))
    pool = RunnerPool(runners_max=2, cache=cache, limits=GuestLimits())
    try:
        module = pool.compile(wasm)

        def once() -> float:
            helper = PretendedHost()
            began = time.perf_counter()
            result = pool.execute(
                owner="bench", module_key=module.module_key, wasm=lambda: wasm, request=request, helper=helper
            )
            took = time.perf_counter() - began
            assert sdk_pb2.ExecutionResult.FromString(result).WhichOneof("result") == "value"
            return took

        return in_turns({"pool": once}, warm_up=WARM_UP, count=COUNT, budget_s=10)["pool"]
    finally:
        pool.close()
