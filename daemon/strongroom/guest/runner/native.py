"""The few native calls on the hot path of a run, with plain integers as arguments.

The wasmtime package wraps every call in objects and looks a function's type up on each call; a guest that calls its
host a thousand times pays for that. These are the same C functions of the same library, declared a second time on a
handle of our own, so that the package's declarations stay as they are. The version is pinned exactly.
"""

import ctypes
from collections.abc import Callable
from typing import Any, Final

import wasmtime
from wasmtime import _ffi

__all__ = ["CALLBACK", "GuestError", "Native"]

CALLBACK: Final = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
"""(environment, caller, address of arguments and results, their count) -> trap or null."""

_MEMORY_KIND: Final = 3
_FUNCTION_KIND: Final = 0
_INTERRUPT: Final = _ffi.wasmtime_trap_code_enum.WASMTIME_TRAP_CODE_INTERRUPT.value


class GuestError(Exception):
    """The engine ended the guest: a trap, or an error such as a memory that is too large. The text says which."""

    def __init__(self, text: str, *, interrupted: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.interrupted = interrupted


class _Bytes(ctypes.Structure):
    """A vector of bytes as the engine hands them out."""

    _fields_ = (("size", ctypes.c_size_t), ("data", ctypes.c_void_p))


class Native:
    """The library, through declarations of our own."""

    def __init__(self) -> None:
        library = ctypes.CDLL(str(_ffi.filename))
        address, size = ctypes.c_void_p, ctypes.c_size_t

        def declare(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:  # ctypes types have no common name
            function = getattr(library, name)
            function.restype, function.argtypes = result, list(arguments)
            bound: Callable[..., Any] = function
            return bound

        self.memory_data = declare("wasmtime_memory_data", address, address, address)
        self.memory_size = declare("wasmtime_memory_data_size", size, address, address)
        self._trap_new = declare("wasmtime_trap_new", address, ctypes.c_char_p, size)
        self._store_context = declare("wasmtime_store_context", address, address)
        self._caller_export = declare(
            "wasmtime_caller_export_get", ctypes.c_bool, address, ctypes.c_char_p, size, address
        )
        self._instance_export = declare(
            "wasmtime_instance_export_get", ctypes.c_bool, address, address, ctypes.c_char_p, size, address
        )
        self._instantiate = declare("wasmtime_instance_pre_instantiate", address, address, address, address, address)
        self._call = declare("wasmtime_func_call", address, address, address, address, size, address, size, address)
        self._define = declare(
            "wasmtime_linker_define_func_unchecked",
            address, address, ctypes.c_char_p, size, ctypes.c_char_p, size, address, CALLBACK, address, address,
        )  # fmt: skip
        self._error_message = declare("wasmtime_error_message", None, address, address)
        self._error_delete = declare("wasmtime_error_delete", None, address)
        self._trap_message = declare("wasm_trap_message", None, address, address)
        self._trap_code = declare("wasmtime_trap_code", ctypes.c_bool, address, address)
        self._trap_delete = declare("wasm_trap_delete", None, address)
        self._bytes_delete = declare("wasm_byte_vec_delete", None, address)

    def define(self, linker: wasmtime.Linker, module: str, name: str, kind: wasmtime.FuncType, callback: Any) -> None:
        """Define a host function. The caller keeps ``callback`` (a ``CALLBACK``) alive as long as the linker."""
        a, b = module.encode(), name.encode()
        error = self._define(
            _address(linker), a, len(a), b, len(b), _address(kind), callback, None, None
        )  # fmt: skip
        if error:
            raise GuestError(self._take_error(error))

    def context_of(self, store: wasmtime.Store) -> int:
        """The handle that the other calls take for a store; it lives as long as the store."""
        context: int = self._store_context(_address(store))
        return context

    def trap(self, text: bytes) -> int:
        """A new trap, which the engine owns once a callback has returned it."""
        trap: int = self._trap_new(text, len(text))
        return trap

    def memory_of_caller(self, caller: int) -> Any | None:
        """The memory that the calling instance exports, or ``None``. The result holds the handle; pass its address."""
        item = _ffi.wasmtime_extern_t()
        if not self._caller_export(caller, b"memory", 6, ctypes.addressof(item)) or int(item.kind) != _MEMORY_KIND:
            return None
        return item.of.memory

    def instantiate(self, context: int, ready: wasmtime.InstancePre) -> Any:
        """A new instance. Raises ``GuestError`` for a trap of its start section and for what was refused."""
        instance, trap = _ffi.wasmtime_instance_t(), ctypes.c_void_p()
        addresses = ctypes.addressof(instance), ctypes.addressof(trap)
        self._check(self._instantiate(_address(ready), context, *addresses), trap)
        return instance

    def memory_of_instance(self, context: int, instance: Any) -> Any | None:
        """The memory that ``instance`` exports, or ``None``, as from ``memory_of_caller``."""
        item = self._export(context, instance, b"memory", _MEMORY_KIND)
        return item.of.memory if item is not None else None

    def start(self, context: int, instance: Any) -> None:
        """Call ``_start``, to the guest's end. Raises ``GuestError`` for a trap."""
        item, trap = self._export(context, instance, b"_start", _FUNCTION_KIND), ctypes.c_void_p()
        if item is None:
            raise GuestError("could not get start function")
        address = ctypes.addressof(item.of.func)
        self._check(self._call(context, address, None, 0, None, 0, ctypes.addressof(trap)), trap)

    def _export(self, context: int, instance: Any, name: bytes, kind: int) -> Any | None:
        item = _ffi.wasmtime_extern_t()
        place = ctypes.addressof(item)
        found = self._instance_export(context, ctypes.addressof(instance), name, len(name), place)
        return item if found and int(item.kind) == kind else None

    def _check(self, error: int | None, trap: ctypes.c_void_p) -> None:
        if error:
            raise GuestError(self._take_error(error))
        if trap.value:
            code = ctypes.c_uint8(0)
            interrupted = self._trap_code(trap.value, ctypes.addressof(code)) and code.value == _INTERRUPT
            text = self._text(self._trap_message, trap.value)
            self._trap_delete(trap.value)
            raise GuestError(text.rstrip("\0"), interrupted=interrupted)

    def _take_error(self, error: int) -> str:
        text = self._text(self._error_message, error)
        self._error_delete(error)
        return text

    def _text(self, of: Callable[..., Any], thing: int) -> str:
        message = _Bytes()
        of(thing, ctypes.addressof(message))
        text = ctypes.string_at(message.data, message.size).decode(errors="replace") if message.data else ""
        self._bytes_delete(ctypes.addressof(message))
        return text


def _address(thing: Any) -> int:  # every object of the package that owns a handle has ``ptr()``
    return ctypes.cast(thing.ptr(), ctypes.c_void_p).value or 0
