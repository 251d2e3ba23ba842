"""The Go guest in one warm process: through our execution core, and on bare wasmtime beside it.

Both sides have the same engine settings, the same limits, an epoch deadline with a thread that moves the epoch, a
compiled module and a linker that was filled once. Counted on both: the arguments built from the request, a fresh store
with its limits, a fresh instance, ``_start`` to its end, the result taken out, the store closed. Our side also checks
every pointer, keeps the books of the run and says how it ended. Both run inside our sandbox.
"""

import base64
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import wasmtime

from bench.figures import in_turns
from bench.worker import answer
from strongroom.guest import sandbox
from strongroom.guest.frames import Frames
from strongroom.guest.limits import GuestLimits
from strongroom.guest.outcome import wire_limits
from strongroom.guest.runner.engine import SWITCHES, Engine
from strongroom.guest.runner.execution import Execution
from strongroom.guest.runner.remote_host import RemoteHost
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.runner.v1 import runner_pb2

TICK_S: Final = 0.02
"""As often as our own ticker looks."""


def ours(wasm: bytes, request: bytes) -> Callable[[], bytes]:
    """One run through ``strongroom.guest``, as a runner process does it."""
    engine = Engine()
    loaded = engine.compile(wasm)
    near, _far = socket.socketpair()
    kept.append(_far)
    host = RemoteHost(Frames(near))
    limits = GuestLimits()

    def run() -> bytes:
        order = runner_pb2.Execute(
            request=request,
            limits=wire_limits(limits, timeout_ms=limits.timeout_ms),
            execution_id="bench",
            node_seed=1,
            entropy=bytes(32),
            clock_unix_ns=time.time_ns(),
        )
        return engine.run(loaded, Execution(order, host)).result

    return run


def bare(wasm: bytes, request: bytes) -> Callable[[], bytes]:
    """One run on wasmtime's own WASI, with the least that the other imports can be."""
    config = wasmtime.Config()
    for name, value in SWITCHES.items():
        setattr(config, name, value)
    engine = wasmtime.Engine(config)
    module = wasmtime.Module(engine, wasm)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    results: list[bytes] = []

    def send_response(caller: wasmtime.Caller, pointer: int, size: int) -> int:
        memory = caller["memory"]
        assert isinstance(memory, wasmtime.Memory)
        results.append(bytes(memory.read(caller, pointer, pointer + size)))
        return 0

    # Any: wasmtime calls these with whatever numbers the import's type has.
    functions: dict[str, Callable[..., Any]] = {"send_response": send_response}
    for item in module.imports:
        if item.module == "env" and isinstance(item.type, wasmtime.FuncType):
            name = item.name or ""
            function = functions.get(name) or _nothing(item.type)
            linker.define_func("env", name, item.type, function, access_caller=True)
    ready = linker.instantiate_pre(module)
    limits = GuestLimits()

    def tick() -> None:
        while True:
            time.sleep(TICK_S)
            engine.increment_epoch()

    threading.Thread(target=tick, daemon=True).start()

    def run() -> bytes:
        store = wasmtime.Store(engine)
        store.set_limits(limits.memory_bytes_max, limits.table_elements_max, 1, 1, 1)
        store.set_epoch_deadline(limits.timeout_ms)
        wasi = wasmtime.WasiConfig()
        wasi.argv = ["wasi", base64.b64encode(request).decode()]
        store.set_wasi(wasi)
        start = ready.instantiate(store).exports(store)["_start"]
        assert isinstance(start, wasmtime.Func)
        with suppress(wasmtime.ExitTrap):  # how Go's runtime ends; the result was sent before
            start(store)
        store.close()
        return results.pop()

    return run


kept: list[object] = []
"""What must outlive the function that made it."""


def _nothing(kind: wasmtime.FuncType) -> Callable[..., Any]:  # Any: as above
    return (lambda *_: 0) if kind.results else (lambda *_: None)


def _timed(run: Callable[[], bytes]) -> Callable[[], float]:
    def once() -> float:
        began = time.perf_counter()
        result = run()
        took = time.perf_counter() - began
        assert result
        return took

    return once


def main(path: str, request: str) -> None:
    """Answer ``count`` with the seconds of both sides."""
    wasm, raw = Path(path).read_bytes(), base64.b64decode(request)
    sides = {"strongroom": ours(wasm, raw), "bare wasmtime": bare(wasm, raw)}
    told = sdk_pb2.ExecutionResult.FromString(sides["strongroom"]())
    assert told == sdk_pb2.ExecutionResult.FromString(sides["bare wasmtime"]()), "the two sides answer differently"
    report = sandbox.apply()
    timed = {name: _timed(run) for name, run in sides.items()}

    def act(line: str) -> dict[str, list[float]]:
        taken = in_turns(timed, warm_up=30, count=int(line), budget_s=20)
        return {name: list(samples.seconds) for name, samples in taken.items()}

    answer(act, ready=list(report.protections))


if __name__ == "__main__":
    main(*sys.argv[1:])
