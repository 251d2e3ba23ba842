"""Requests to a device by ``ioctl`` whose structures point at further memory of this process."""

import ctypes
import fcntl
from collections.abc import Callable
from pathlib import Path

from strongroom_confidential_workflows.providers.devices import broken_answer

__all__ = ["Ioctl", "Memory", "request"]

Ioctl = Callable[[int, int, bytearray], int]
"""``fcntl.ioctl`` with a buffer that the kernel changes; tests have a device of their own."""


class Memory:
    """Bytes that stay where they are, at ``address``, so that a structure for the kernel can point at them."""

    __slots__ = ("_buffer", "address", "size")

    def __init__(self, content: bytes, size: int | None = None) -> None:
        """``size`` bytes that begin with ``content``; without it as many as there are."""
        self.size = len(content) if size is None else size
        self._buffer = ctypes.create_string_buffer(content, self.size)
        self.address = ctypes.addressof(self._buffer)

    def read(self) -> bytes:
        """What is there now, all of it."""
        return self._buffer.raw


def request(device: Path, descriptor: int, number: int, structure: bytearray, ioctl: Ioctl = fcntl.ioctl) -> None:
    """Send one request, which changes ``structure`` in place. Raises ``Unavailable`` when the device refuses."""
    try:
        ioctl(descriptor, number, structure)
    except OSError as error:
        raise broken_answer(str(device), f"it refused with {error.strerror or error.errno}") from error
