"""The WebAssembly engine of a runner: compiling, admission, loading, and one run of one guest.

Source: contracts/cre-guest.md sections 4, 11 and 20.
"""

import hashlib
import platform
import time
from pathlib import Path
from typing import Final

import wasmtime

from strongroom.guest.runner.execution import Execution
from strongroom.guest.runner.imports import MARKER, Imports
from strongroom.guest.runner.memory import GuestMemory
from strongroom.guest.runner.native import GuestError, Native
from strongroom.guest.runner.ticker import Ticker
from strongroom.pb.strongroom.runner.v1 import runner_pb2

__all__ = ["AdmissionError", "Engine", "Loaded"]

COMPONENT: Final = b"\x00asm\x0d\x00\x01\x00"
CORE: Final = b"\x00asm\x01\x00\x00\x00"

PAGE_BYTES: Final = 1 << 16
MEMORY_LIMIT_TEXT: Final = "exceeds memory limits"

# Every switch that differs from the engine's default, because each is part of the identity of compiled code.
SWITCHES: Final = {
    "epoch_interruption": True,  # how a guest that computes is ended
    "wasm_threads": False,  # no shared memory: a run is one thread
    "wasm_memory64": False,  # pointers of the contract are 32 bits
    "wasm_multi_memory": False,  # one memory, as the limits assume
    "native_unwind_info": False,  # only an outside debugger would read it
    "cranelift_nan_canonicalization": True,  # a replay on another processor sees the same bits
    "wasm_relaxed_simd_deterministic": True,  # the same
}


class AdmissionError(Exception):
    """A module that no runner will execute. The text says why."""


class Loaded:
    """A module that can be started, with its imports resolved."""

    def __init__(self, module: wasmtime.Module, ready: wasmtime.InstancePre, info: runner_pb2.ModuleInfo) -> None:
        self.module = module
        self.ready = ready
        self.info = info


class Engine:
    """One engine for one process; runs go through it one at a time, from the main thread."""

    def __init__(self) -> None:
        config = wasmtime.Config()
        for name, value in SWITCHES.items():
            setattr(config, name, value)
        self._engine = wasmtime.Engine(config)
        self._native = Native()
        self._imports = Imports(self._native)
        self._ticker = Ticker(self._engine.increment_epoch)

    def compile(self, wasm: bytes) -> Loaded:
        """Compile and admit a raw module. Raises ``AdmissionError``."""
        if wasm[:8] == COMPONENT:
            raise AdmissionError("this is a WebAssembly component; a workflow is a core module (build it for wasip1)")
        if wasm[:8] != CORE:
            raise AdmissionError("this is not a WebAssembly module")
        try:
            module = wasmtime.Module(self._engine, wasm)
        except wasmtime.WasmtimeError as error:
            raise AdmissionError(f"the module does not compile: {error}") from None
        info = self._admit(module)
        return self._link(module, info)

    def native_code(self, loaded: Loaded) -> bytes:
        """Compiled code, for ``load`` in another process of the same engine."""
        return bytes(loaded.module.serialize())

    def load(self, path: str) -> Loaded:
        """Load native code that was compiled and admitted by this engine in another process."""
        module = wasmtime.Module.deserialize_file(self._engine, path)
        return self._link(module, self._admit(module))

    def run(self, loaded: Loaded, execution: Execution) -> runner_pb2.Finished:
        """Run one guest to its end, whatever that is."""
        began_ns = time.monotonic_ns()
        store = wasmtime.Store(self._engine)
        try:
            limits = execution.limits
            store.set_limits(limits.memory_bytes_max, limits.table_elements_max, 1, 1, 1)
            store.set_epoch_deadline(1)
            context = self._native.context_of(store)
            execution.memory = GuestMemory(self._native, context)
            self._imports.current = execution
            error: GuestError | None = None
            with self._ticker.watch(execution):
                try:
                    instance = self._native.instantiate(context, loaded.ready)
                    execution.memory.bind(self._native.memory_of_instance(context, instance))
                    self._native.start(context, instance)
                except GuestError as ended:
                    error = ended
                    if MEMORY_LIMIT_TEXT in ended.text:
                        # Only here, before the guest runs; later growth is refused to the guest itself.
                        ended.text += f" (limits.memory_bytes_max is {limits.memory_bytes_max} bytes)"
            finished = execution.finish(error)
            finished.memory_bytes = execution.memory.size()
            finished.wall_us = (time.monotonic_ns() - began_ns) // 1000
            return finished
        finally:
            self._imports.current = None
            store.close()

    def close(self) -> None:
        """End the ticker. Nothing runs after this."""
        self._ticker.close()

    def _admit(self, module: wasmtime.Module) -> runner_pb2.ModuleInfo:
        exports = {export.name: export.type for export in module.exports}
        if "memory" not in exports:
            raise AdmissionError('module does not export "memory"')
        memory = exports["memory"]
        if not isinstance(memory, wasmtime.MemoryType):
            raise AdmissionError('module export "memory" is not a memory')
        start = exports.get("_start")
        if not isinstance(start, wasmtime.FuncType) or start.params or start.results:
            raise AdmissionError("could not get start function")
        label, form = "", 0
        for wanted in module.imports:
            name, kind = wanted.name or "", wanted.type
            parameters = len(kind.params) if isinstance(kind, wasmtime.FuncType) else 0
            if not isinstance(kind, wasmtime.FuncType) or not self._imports.find(wanted.module, name, parameters):
                raise AdmissionError(f'unknown import "{wanted.module}" "{name}"')
            if wanted.module == "env" and name.startswith(MARKER):
                label = label or name
            if wanted.module == "env" and name == "call_capability":
                form = 2 if parameters == 4 else 1
        if not label:
            raise AdmissionError("cannot execute a legacy dag workflow")
        memory_bytes_min = memory.limits.min * PAGE_BYTES
        return runner_pb2.ModuleInfo(sdk_label=label, call_form=form, memory_bytes_min=memory_bytes_min)

    def _link(self, module: wasmtime.Module, info: runner_pb2.ModuleInfo) -> Loaded:
        linker = wasmtime.Linker(self._engine)
        self._imports.link(linker, module)
        try:
            return Loaded(module, linker.instantiate_pre(module), info)
        except wasmtime.WasmtimeError as error:
            raise AdmissionError(f"an import has the wrong type: {error}") from None


def engine_id() -> str:
    """What compiled code depends on: version of the engine, its configuration, kind and features of the processor."""
    switches = ",".join(f"{name}={value}" for name, value in sorted(SWITCHES.items()))
    processor = hashlib.sha256(f"{switches}|{_processor()}".encode()).hexdigest()[:16]
    return f"wasmtime-{_wasmtime_version()}-{platform.machine()}-{processor}"


def _wasmtime_version() -> str:
    """The release that is installed, as its folder of metadata is named: a runner has to begin fast."""
    folders = list(Path(wasmtime.__file__).parents[1].glob("wasmtime-*.dist-info"))
    if len(folders) == 1:
        return folders[0].name.removeprefix("wasmtime-").removesuffix(".dist-info")
    from importlib import metadata  # what it imports is a fifth of what a runner does

    return metadata.version("wasmtime")


def _processor() -> str:
    """Its features. Below a /proc with processes alone they stand in the name that the kernel finds drivers by."""
    wanted = ("flags", "features", "cpu family", "model\t", "cpu implementer", "cpu part")
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        try:
            return Path("/sys/devices/system/cpu/modalias").read_text(encoding="utf-8")
        except OSError:
            return platform.processor()
    return "\n".join(sorted({line for line in lines if line.lower().startswith(wanted)}))
