"""Runners for local guests: compiled once, executed in keyless processes, one owner to a process.

This is the only thing of the package that the engine holds.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from strongroom.errors import Internal, InvalidInput, TimedOut
from strongroom.guest.cache import NativeCode
from strongroom.guest.cancellation import Cancellation
from strongroom.guest.execution_helper import ExecutionHelper
from strongroom.guest.fleet import Fleet
from strongroom.guest.hosted_run import HostedRun
from strongroom.guest.limits import ERROR_CHARS_MAX, GuestLimits
from strongroom.guest.memory import resident_bytes
from strongroom.guest.outcome import check_memory, execute_order, limits_for, not_admitted, time_of
from strongroom.guest.runner_process import RunnerDeathError, RunnerLostError
from strongroom.guest.spawner import Spawner
from strongroom.guest.starter.child import own_child
from strongroom.guest.starter.started import Start, away
from strongroom.guest.watchdog import Watchdog
from strongroom.guest.workers import Workers
from strongroom.pb.strongroom.runner.v1 import runner_pb2

__all__ = ["CompiledModule", "ModuleInfo", "PoolReport", "RunnerPool"]

START_S: Final = 30.0
"""How long the first question about the engine may wait for the first runner."""

CALL_THREADS_MAX: Final = 512
"""Threads for calls of all runs together, also of those that were suspended while their calls go on; a thread that
waits costs little, thousands of them do."""

FRAME_SLACK_BYTES: Final = 1 << 20

LABEL_CHARS_MAX: Final = 1_000
"""The name of a marker names an SDK; it is stored with the workflow."""


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """What admission found: the full name of the marker import, and the form of ``call_capability`` (0, 1 or 2)."""

    sdk_label: str
    call_form: int


@dataclass(frozen=True, slots=True)
class CompiledModule:
    """A module that was admitted. ``module_key`` is the SHA-256 of the raw module: it outlives engines and restarts."""

    module_key: str
    info: ModuleInfo
    wasm_sha256: str
    memory_bytes_min: int = 0
    """Linear memory that it begins with."""


@dataclass(frozen=True, slots=True)
class PoolReport:
    """How runners stand: protections in force, those missing with their reasons, processes alive, engine version."""

    protections: tuple[str, ...]
    missing: tuple[str, ...]
    alive: int
    wasmtime_version: str


class RunnerPool:
    """Compiles and executes. Every method may be called from any thread."""

    def __init__(self, *, runners_max: int, cache: NativeCode, limits: GuestLimits, start: Start = own_child) -> None:
        self._cache = cache
        self._limits = limits
        self._spawner = Spawner(cache.code_directory, start=start)
        self._fleet = Fleet(self._spawner, runners_max=runners_max)
        self._workers = Workers(CALL_THREADS_MAX, name="guest-call")
        self._watchdog = Watchdog()
        self._compiling = threading.Lock()

    def start(self) -> None:
        """Warm one runner in the background."""
        self._fleet.warm()

    def key_of(self, wasm: bytes) -> str:
        """Content key of a raw module."""
        return hashlib.sha256(wasm).hexdigest()

    def compile(self, wasm: bytes) -> CompiledModule:
        """Compile and admit a raw module in a fresh runner, and put its code into the cache.

        Raises ``InvalidInput`` naming the cause when it is not admissible, ``TimedOut``, ``Unavailable``.
        """
        key = self.key_of(wasm)
        compiled = self._compile(wasm)
        check_memory(compiled.info, self._limits)
        self._cache.put(self._cache_key(key), compiled.native)
        info = ModuleInfo(compiled.info.sdk_label, compiled.info.call_form)
        return CompiledModule(key, info, key, compiled.info.memory_bytes_min)

    def execute(
        self,
        *,
        owner: str,
        module_key: str,
        wasm: Callable[[], bytes],
        request: bytes,
        helper: ExecutionHelper,
        limits: GuestLimits | None = None,
        watch: Callable[[runner_pb2.FromRunner], None] | None = None,
        free_wait_s: float = 0.0,
    ) -> bytes:
        """The serialized ``sdk.v1alpha.ExecutionResult`` of one guest.

        ``wasm`` gives the raw module and is asked only when its compiled form is not at hand. Time spent waiting for a
        runner counts beyond ``free_wait_s``, compiling does not. ``limits`` stand in for those of this pool. ``watch``
        is told of each message of the runner before it is handled, in the order in which the guest caused them; it
        must neither block nor raise. Raises ``GuestFault``, ``TimedOut``, ``Cancelled``, ``Unavailable``, and
        ``GuestSuspended`` for a guest that gave its runner back while its calls go on.
        """
        if not request:
            raise InvalidInput("SR-GUEST-016", "invalid request: can't be nil", fix="send an ExecuteRequest")
        if helper is None:
            raise InvalidInput("SR-GUEST-017", "invalid capability executor: can't be nil", fix="pass a helper")
        limits = limits_for(helper, limits or self._limits)
        limit_ms, allowed = time_of(helper, limits)
        began_s = time.monotonic()
        cancellation = Cancellation(limits.cancel_grace_ms)
        helper.on_cancel(cancellation.cancel)
        patience_s = limit_ms / 1000 + free_wait_s
        runner = self._fleet.acquire(owner, module_key, timeout_s=patience_s, cancellation=cancellation)
        waited_s = max(0.0, time.monotonic() - began_s - free_wait_s)
        timeout_ms = max(1, limit_ms - int(waited_s * 1000))
        descriptor, run = None, None
        try:
            if module_key not in runner.modules:
                descriptor = self._native(module_key, wasm)
            order = execute_order(request, helper, limits, timeout_ms=timeout_ms)
            order.module_key, order.with_descriptor = module_key, descriptor is not None
            runner.modules.use(module_key, None if descriptor is None else os.fstat(descriptor).st_size)
            run = HostedRun(
                runner,
                helper=helper,
                cancellation=cancellation,
                workers=self._workers,
                watchdog=self._watchdog,
                limits=limits,
                allowed=allowed,
                kind=f"{owner}/{module_key}",
                watch=watch,
            )
            return run.execute(order, descriptor)
        except Internal:
            if descriptor is not None:
                # Code that does not load is compiled anew at the next run.
                self._cache.discard(self._cache_key(module_key))
            raise
        finally:
            if descriptor is not None:
                os.close(descriptor)
            self._fleet.release(runner, reusable=run is None or run.clean)

    def report(self) -> PoolReport:
        """How runners stand; waits for the first one."""
        ready = self._fleet.wait_ready(START_S)
        version = ready.engine_id.split("-")[1] if "-" in ready.engine_id else ready.engine_id
        return PoolReport(tuple(ready.protections), tuple(ready.missing), len(self._fleet.alive()), version)

    def is_without_runners(self) -> bool:
        """Whether there is none, and the one that was wanted last did not start."""
        return bool(self._fleet.lacking) and not self._fleet.alive()

    def memory_bytes(self) -> int:
        """Resident memory of all runners, of what this process may read of them."""
        return sum(resident_bytes(runner.pid) for runner in self._fleet.alive())

    def close(self) -> None:
        """End every runner, also those that have begun to start. Runs in progress fail."""
        self._fleet.close()
        self._spawner.close()
        self._workers.close()
        self._watchdog.close()
        self._cache.close()

    def _cache_key(self, module_key: str) -> str:
        return f"{module_key}.{self._fleet.wait_ready(START_S).engine_id}"

    def _native(self, module_key: str, wasm: Callable[[], bytes]) -> int:
        key = self._cache_key(module_key)
        descriptor = self._cache.get(key)
        if descriptor is not None:
            return descriptor
        raw = wasm()
        if self.key_of(raw) != module_key:
            raise Internal("SR-GUEST-018", "the module at hand is not the one that was asked for")
        self._cache.put(key, self._compile(raw).native)
        descriptor = self._cache.get(key)
        if descriptor is None:
            raise Internal("SR-GUEST-023", "a module that was just compiled is not in the cache")
        return descriptor

    def _compile(self, wasm: bytes) -> runner_pb2.Compiled:
        """One at a time: the compiler uses every processor by itself."""
        limit_ms = self._limits.compile_timeout_ms
        deadline_s = time.monotonic() + limit_ms / 1000
        with self._compiling:
            runner = self._spawner.spawn().result()
            try:
                runner.frames.frame_bytes_max = self._limits.native_bytes_max + FRAME_SLACK_BYTES
                runner.send(runner_pb2.ToRunner(compile=runner_pb2.Compile(wasm=wasm)))
                message = runner.receive(deadline_s)
            except RunnerLostError as lost:
                raise away(str(lost)) from None
            except RunnerDeathError as death:
                raise not_admitted(f"the compiler died on it: {death}") from None
            finally:
                runner.bury()
        if message is None:
            raise TimedOut(
                "SR-GUEST-024",
                f"compiling the module used up its time of {limit_ms} ms",
                fix="make the workflow smaller",
                limit=limit_ms,
                setting="limits.compile_timeout_ms",
            )
        if message.WhichOneof("message") != "compiled" or not (message.compiled.native or message.compiled.error):
            raise not_admitted("the compiler gave no answer to it")
        if message.compiled.error:
            raise not_admitted(message.compiled.error[:ERROR_CHARS_MAX])
        label = message.compiled.info.sdk_label
        if len(label) > LABEL_CHARS_MAX or not label.isprintable():
            raise not_admitted("the name of its marker is too long or cannot be shown")
        return message.compiled
