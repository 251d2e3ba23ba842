"""Guests on bare wasmtime, with the imports of the contract done plainly: the second opinion beside real runners.

It knows nothing of limits, deadlines or isolation: a guest that misbehaves here does so as its test says.
"""

import base64
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import wasmtime
from google.protobuf.message import DecodeError

from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.guests.host import PretendedHost

__all__ = ["BareRun", "compiled", "run_bare"]

MASK64 = (1 << 64) - 1


def fnv1a(text: str) -> int:
    """Signed 64-bit FNV-1a of the UTF-8 text."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & MASK64
    return value - (1 << 64) if value >> 63 else value


class Refusal(Exception):
    """An import refuses; the guest gets this text and minus its length."""


@dataclass(slots=True)
class BareRun:
    """One instance and what its imports have seen."""

    host: PretendedHost
    mode: int = 0
    result: sdk_pb2.ExecutionResult | None = None
    exit_code: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    open_calls: dict[tuple[str, int], Future[Any]] = field(default_factory=dict)
    used: set[tuple[str, int]] = field(default_factory=set)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(32))

    def memory(self, caller: wasmtime.Caller) -> wasmtime.Memory:
        memory = caller["memory"]
        assert isinstance(memory, wasmtime.Memory)
        return memory

    def read(self, caller: wasmtime.Caller, ptr: int, length: int) -> bytes:
        memory = self.memory(caller)
        if ptr < 0 or length < 0:
            raise Refusal(f"invalid memory access: ptr: {ptr}, size: {length}")
        if ptr + length > memory.data_len(caller):
            raise Refusal("out of bounds memory access")
        return bytes(memory.read(caller, ptr, ptr + length))

    def write(self, caller: wasmtime.Caller, data: bytes, ptr: int, size_max: int) -> int:
        memory = self.memory(caller)
        if ptr < 0 or size_max < 0 or len(data) > size_max or ptr + size_max > memory.data_len(caller):
            raise Refusal("response buffer too small")
        if data:
            memory.write(caller, data, ptr)
        return len(data)

    def failing(self, caller: wasmtime.Caller, ptr: int, size_max: int, act: Callable[[], int]) -> int:
        try:
            return act()
        except (Refusal, DecodeError) as problem:
            text = str(problem).encode()[:size_max]
            return -self.write(caller, text, ptr, size_max)

    def send_response(self, caller: wasmtime.Caller, ptr: int, length: int) -> int:
        try:
            self.result = sdk_pb2.ExecutionResult.FromString(self.read(caller, ptr, length))
        except (Refusal, DecodeError):
            return 21
        return 0

    def begin(self, kind: str, callback: int, work: Callable[[], Any]) -> int:
        if (kind, callback) in self.used:
            raise Refusal("error calling callCapAsync: duplicate callback id not allowed")
        self.used.add((kind, callback))
        self.open_calls[kind, callback] = self.pool.submit(work)
        return 0

    def call_capability(self, caller: wasmtime.Caller, ptr: int, length: int, *error: int) -> int:
        def act() -> int:
            request = sdk_pb2.CapabilityRequest.FromString(self.read(caller, ptr, length))
            return self.begin("call", request.callback_id, lambda: self.host.call_capability(request))

        resp, size_max = error or (ptr, length)
        return self.failing(caller, resp, size_max, act)

    def get_secrets(self, caller: wasmtime.Caller, ptr: int, length: int, resp: int, size_max: int) -> int:
        def act() -> int:
            request = sdk_pb2.GetSecretsRequest.FromString(self.read(caller, ptr, length))
            return self.begin("secret", request.callback_id, lambda: self.host.get_secrets(request))

        return self.failing(caller, resp, size_max, act)

    def take(self, kind: str, callback: int) -> Any:
        if (kind, callback) not in self.open_calls:
            raise Refusal(f"failed to get call from store : {callback}")
        return self.open_calls.pop((kind, callback)).result()

    def await_capabilities(self, caller: wasmtime.Caller, ptr: int, length: int, resp: int, size_max: int) -> int:
        def act() -> int:
            ids = sdk_pb2.AwaitCapabilitiesRequest.FromString(self.read(caller, ptr, length)).ids
            answer = sdk_pb2.AwaitCapabilitiesResponse(responses={n: self.take("call", n) for n in ids})
            return self.write(caller, answer.SerializeToString(), resp, size_max)

        return self.failing(caller, resp, size_max, act)

    def await_secrets(self, caller: wasmtime.Caller, ptr: int, length: int, resp: int, size_max: int) -> int:
        def act() -> int:
            ids = sdk_pb2.AwaitSecretsRequest.FromString(self.read(caller, ptr, length)).ids
            answer = sdk_pb2.AwaitSecretsResponse(responses={n: self.take("secret", n) for n in ids})
            return self.write(caller, answer.SerializeToString(), resp, size_max)

        return self.failing(caller, resp, size_max, act)

    def log(self, caller: wasmtime.Caller, ptr: int, length: int) -> None:
        if self.mode != 0:
            self.host.log(self.mode, self.read(caller, ptr, length).decode())

    def emit_metric(self, caller: wasmtime.Caller, ptr: int, length: int) -> int:
        return -1

    def switch_modes(self, caller: wasmtime.Caller, mode: int) -> None:
        self.mode = mode

    def random_seed(self, caller: wasmtime.Caller, mode: int) -> int:
        return {1: fnv1a(self.host.execution_id), 2: self.host.node_seed}.get(mode, -1)

    def now(self, caller: wasmtime.Caller, ptr: int) -> int:
        now_ns = self.host.now_ns(1) if self.mode == 1 else time.time_ns()
        self.write(caller, now_ns.to_bytes(8, "little"), ptr, 8)
        return 0

    def counted(self, name: str) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            self.counts[name] = self.counts.get(name, 0) + 1
            return getattr(self, name)(*args)

        return call


@lru_cache(maxsize=2)  # the tests of one module come together, and a Go guest takes seconds to compile
def compiled(wasm: bytes) -> tuple[wasmtime.Engine, wasmtime.Module]:
    """The module, and the engine that it is for."""
    engine = wasmtime.Engine()
    return engine, wasmtime.Module(engine, wasm)


def run_bare(wasm: bytes, request: sdk_pb2.ExecuteRequest, host: PretendedHost | None = None) -> BareRun:
    """Run the guest once. Traps come out as ``wasmtime.Trap``."""
    run = BareRun(host=host or PretendedHost())
    engine, module = compiled(wasm)
    store = wasmtime.Store(engine)
    wasi = wasmtime.WasiConfig()
    wasi.argv = ["wasi", base64.b64encode(request.SerializeToString()).decode()]
    store.set_wasi(wasi)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    for item in module.imports:
        if item.module == "env" and isinstance(item.type, wasmtime.FuncType):
            name = item.name or ""
            work = (lambda *_: None) if name.startswith("version_v2") else run.counted(name)
            linker.define(store, "env", name, wasmtime.Func(store, item.type, work, access_caller=True))
    start = linker.instantiate(store, module).exports(store)["_start"]
    assert isinstance(start, wasmtime.Func)
    try:
        start(store)
    except wasmtime.ExitTrap as end:
        run.exit_code = end.code
    finally:
        run.pool.shutdown(wait=False, cancel_futures=True)
        store.close()
    return run
