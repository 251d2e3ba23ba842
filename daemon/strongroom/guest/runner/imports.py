"""The bridge between the engine's calls and the host functions.

A callback never raises: an exception that crossed the engine could end another guest. Whatever happens in a host
function is written down on its run, and the guest ends with a trap. A runner executes one run at a time, so the
callbacks are made once for the process and look at the run that is current.
"""

import ctypes
import struct
from collections.abc import Callable
from typing import Any, Final

import wasmtime

from strongroom.guest.runner import env_imports as env
from strongroom.guest.runner import wasi_imports as wasi
from strongroom.guest.runner.execution import Execution, GuestExit, GuestWaits, HostError
from strongroom.guest.runner.memory import MemoryAccessError
from strongroom.guest.runner.native import CALLBACK, Native
from strongroom.guest.runner.wasi_files import FILE_FUNCTIONS

__all__ = ["CALL_V1", "CALL_V2", "MARKER", "WASI_MODULE", "Imports"]

WASI_MODULE: Final = "wasi_snapshot_preview1"
MARKER: Final = "version_v2"
CALL_V1: Final = "call_capability (1)"
CALL_V2: Final = "call_capability (2)"
EFAULT: Final = 21
TRAP_TEXT: Final = b"ended by the host"

# Name -> (parameters, result, function): i is i32, q is i64, an empty result is none.
ENV: Final[dict[str, tuple[str, str, Callable[..., int | None]]]] = {
    MARKER: ("", "", env.version_marker),
    "send_response": ("ii", "i", env.send_response),
    CALL_V1: ("ii", "q", env.call_capability_v1),
    CALL_V2: ("iiii", "q", env.call_capability),
    "await_capabilities": ("iiii", "q", env.await_capabilities),
    "get_secrets": ("iiii", "q", env.get_secrets),
    "await_secrets": ("iiii", "q", env.await_secrets),
    "log": ("ii", "", env.log),
    "emit_metric": ("ii", "i", env.emit_metric),
    "switch_modes": ("i", "", env.switch_modes),
    "random_seed": ("i", "q", env.random_seed),
    "now": ("i", "i", env.now),
}
WASI: Final[dict[str, tuple[str, str, Callable[..., int | None]]]] = {
    "args_get": ("ii", "i", wasi.args_get),
    "args_sizes_get": ("ii", "i", wasi.args_sizes_get),
    "environ_get": ("ii", "i", wasi.environ_get),
    "environ_sizes_get": ("ii", "i", wasi.environ_sizes_get),
    "clock_res_get": ("ii", "i", wasi.clock_res_get),
    "clock_time_get": ("iqi", "i", wasi.clock_time_get),
    "random_get": ("ii", "i", wasi.random_get),
    "sched_yield": ("", "i", wasi.sched_yield),
    "proc_exit": ("i", "", wasi.proc_exit),
    "proc_raise": ("i", "i", wasi.proc_raise),
    "poll_oneoff": ("iiii", "i", wasi.poll_oneoff),
    **{name: (parameters, "i", function) for name, (parameters, function) in FILE_FUNCTIONS.items()},
}

_I64: Final = ctypes.c_int64


class Imports:
    """All host functions, ready to be linked. ``current`` is the run they serve."""

    def __init__(self, native: Native) -> None:
        self._native = native
        self.current: Execution | None = None
        self._env = {name: self._callback(*row, efault=False) for name, row in ENV.items()}
        self._wasi = {name: self._callback(*row, efault=True) for name, row in WASI.items()}

    def find(self, module: str, name: str, parameters: int) -> tuple[str, str, Any] | None:
        """(parameters, result, callback) of an import, or ``None`` when there is no such host function.

        ``parameters`` is how many the guest declares: they choose the form of ``call_capability``.
        """
        if module == WASI_MODULE:
            return (*WASI[name][:2], self._wasi[name]) if name in WASI else None
        if module != "env":
            return None
        if name == "call_capability":
            name = CALL_V2 if parameters == 4 else CALL_V1
        elif name.startswith(MARKER):
            name = MARKER
        return (*ENV[name][:2], self._env[name]) if name in ENV else None

    def link(self, linker: wasmtime.Linker, module: wasmtime.Module) -> None:
        """Define what ``module`` imports, each with the contract's type. What is unknown stays undefined."""
        defined: set[tuple[str, str]] = set()
        for wanted in module.imports:
            name = wanted.name or ""
            kind = wanted.type
            if not isinstance(kind, wasmtime.FuncType) or (wanted.module, name) in defined:
                continue
            found = self.find(wanted.module, name, len(kind.params))
            if found is not None:
                defined.add((wanted.module, name))
                parameters, result, callback = found
                self._native.define(linker, wanted.module, name, _type(parameters, result), callback)

    def _callback(self, parameters: str, result: str, function: Callable[..., int | None], *, efault: bool) -> Any:
        layout = struct.Struct("<" + "".join("i12x" if p == "i" else "q8x" for p in parameters))
        unpack, size = layout.unpack, layout.size
        string_at, write = ctypes.string_at, _I64.from_address

        def call(_environment: int, caller: int, slots: int, _count: int) -> int | None:
            run = self.current
            if run is None:
                return self._native.trap(TRAP_TEXT)
            try:
                if not run.memory.bound:
                    run.memory.bind(self._native.memory_of_caller(caller))
                try:
                    answer = function(run, *unpack(string_at(slots, size)))
                except MemoryAccessError:
                    if not efault:
                        raise
                    answer = EFAULT
                if result:
                    write(slots).value = answer or 0
            except BaseException as problem:  # see the module's first rule
                _write_down(run, problem)
                return self._native.trap(TRAP_TEXT)
            return None

        return CALLBACK(call)


def _write_down(run: Execution, problem: BaseException) -> None:
    match problem:
        case GuestExit():
            run.exit_code = problem.code
        case GuestWaits():
            run.waits = problem.waits
        case HostError():
            run.guest_fault = str(problem)
        case _:
            run.host_fault = type(problem).__name__


def _type(parameters: str, result: str) -> wasmtime.FuncType:
    kinds = {"i": wasmtime.ValType.i32, "q": wasmtime.ValType.i64}
    return wasmtime.FuncType([kinds[p]() for p in parameters], [kinds[r]() for r in result])
