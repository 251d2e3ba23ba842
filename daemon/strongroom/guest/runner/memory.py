"""The linear memory of the guest that calls, read and written with every bound checked here.

The engine's own accessors clip, or count from the end, when a number is wrong. Memory may grow between two calls, so
address and size are fetched anew each time; the handle stays valid as long as the store.
Source: contracts/cre-guest.md sections 6.1 and 20.
"""

import ctypes
from typing import Any

from strongroom.guest.runner.native import Native

__all__ = ["GuestMemory", "MemoryAccessError"]


class MemoryAccessError(Exception):
    """The guest named memory that it does not have. The text goes back to the guest."""


class GuestMemory:
    """Memory of one instance. ``bind`` comes first: with the instance, or from a callback while it is being made."""

    __slots__ = ("_context", "_handle", "_memory", "_native", "bound")

    def __init__(self, native: Native, context: int) -> None:
        self._native = native
        self._context = context
        self._memory: Any = None  # a structure of the engine; its address is what the calls take
        self._handle = 0
        self.bound = False

    def bind(self, memory: Any | None) -> None:
        """Take the memory that an instance exports, as the engine names it."""
        if memory is not None:
            self._memory = memory
            self._handle = ctypes.addressof(memory)
            self.bound = True

    def size(self) -> int:
        """Bytes of memory the guest has now."""
        size: int = self._native.memory_size(self._context, self._handle) if self.bound else 0
        return size

    def check(self, pointer: int, size: int) -> None:
        """Raises ``MemoryAccessError`` unless all of ``size`` bytes at ``pointer`` exist."""
        if pointer < 0 or size < 0:
            raise MemoryAccessError(f"invalid memory access: ptr: {pointer}, size: {size}")
        if pointer + size > self.size():
            raise MemoryAccessError("out of bounds memory access")

    def read(self, pointer: int, size: int) -> bytes:
        """A copy of ``size`` bytes at ``pointer``. Raises ``MemoryAccessError``."""
        self.check(pointer, size)
        if size == 0:
            return b""
        return ctypes.string_at(self._native.memory_data(self._context, self._handle) + pointer, size)

    def write(self, data: bytes, pointer: int) -> None:
        """Write all of ``data`` at ``pointer``; nothing at the very end is fine. Raises ``MemoryAccessError``."""
        self.check(pointer, len(data))
        if data:
            ctypes.memmove(self._native.memory_data(self._context, self._handle) + pointer, data, len(data))

    def write_answer(self, data: bytes, pointer: int, size_max: int) -> None:
        """Write ``data`` into a buffer of ``size_max`` bytes that must exist whole. Raises ``MemoryAccessError``."""
        if len(data) > size_max and size_max >= 0:
            raise MemoryAccessError("response buffer too small")
        self.check(pointer, size_max)
        self.write(data, pointer)
