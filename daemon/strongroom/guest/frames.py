"""Length-prefixed messages over a Unix stream socket, with descriptors beside them.

A frame is a u32 big-endian length and that many bytes. One thread reads at a time; writers share a lock, so a frame is
never torn by another one. An end that does not trust the other one takes no descriptors and waits for it only so long.
"""

import array
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from strongroom.errors import LimitExceeded, Tampered

__all__ = ["FRAME_BYTES_MAX", "Frames"]

FRAME_BYTES_MAX: Final = 1_100_000_000
"""The largest frame is the native code of a module; a length beyond it is a broken peer, not a message."""

_LENGTH: Final = struct.Struct(">I")
_READ_BYTES: Final = 1 << 16
_POLL_MS_MAX: Final = (1 << 31) - 2
_DESCRIPTORS_MAX: Final = 4
_ANCILLARY_BYTES: Final = socket.CMSG_SPACE(_DESCRIPTORS_MAX * array.array("i").itemsize)


class Frames:
    """One end of the conversation. ``frame_bytes_max`` bounds what the other end may send.

    Descriptors from the other end are refused unless ``takes_descriptors``: each is one of this process, which has few.
    With ``stall_s``, sending fails when the other end reads nothing for so long.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        frame_bytes_max: int = FRAME_BYTES_MAX,
        takes_descriptors: bool = False,
        stall_s: float | None = None,
    ) -> None:
        connection.setblocking(True)
        self._ancillary_bytes = _ANCILLARY_BYTES if takes_descriptors else 0
        self._stall_s = stall_s
        self._stalled = False
        self._socket = connection
        self.frame_bytes_max = frame_bytes_max
        """What the other end may send next; it may change between two frames."""
        self._pending = bytearray()
        self._descriptors: deque[int] = deque()
        self._writing = threading.Lock()
        self._poll = select.poll()
        self._poll.register(connection.fileno(), select.POLLIN)
        self.ended = False
        """True once the other end has closed."""

    def send(self, message: bytes, *, descriptor: int | None = None) -> None:
        """Write one frame whole. Raises ``OSError`` when the other end is gone, or reads nothing for ``stall_s``.

        After a stall nothing can be sent any more: a part of a frame is on its way.
        """
        length = _LENGTH.pack(len(message))
        with self._writing:
            if self._stalled:
                raise TimeoutError("the other end does not read")
            if descriptor is not None:
                self._write(length, [descriptor])
                self._write(message)
            elif len(message) <= _READ_BYTES:
                self._write(length + message)
            else:
                self._write(length)
                self._write(message)

    def receive(self, timeout_s: float | None) -> bytes | None:
        """The next message, or ``None`` when the time is up or the other end has closed (``ended`` tells which).

        Raises ``LimitExceeded`` for a frame that is too large. A cut frame at the end counts as an end.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            message = self._take()
            if message is not None:
                return message
            if not self._wait(deadline):
                return None
            if not self._fill():
                self.ended = True
                return None

    def take_descriptor(self) -> int:
        """The oldest descriptor that came with a frame; the caller closes it. Raises ``Tampered`` without one."""
        if not self._descriptors:
            raise Tampered("a frame's descriptor")
        return self._descriptors.popleft()

    def close(self) -> None:
        """Close the socket and whatever descriptors nobody took."""
        while self._descriptors:
            _close(self._descriptors.popleft())
        self._socket.close()

    def _write(self, data: bytes, descriptors: Sequence[int] = ()) -> None:
        if self._stall_s is None and not descriptors:
            self._socket.sendall(data)
            return
        flags = 0 if self._stall_s is None else socket.MSG_DONTWAIT
        with memoryview(data) as view:
            done = 0
            while done < len(view):
                try:
                    if descriptors:
                        # Not socket.send_fds, which drops the flags.
                        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
                        done += self._socket.sendmsg([view[done:]], [rights], flags)
                        descriptors = ()
                    else:
                        done += self._socket.send(view[done:], flags)
                except BlockingIOError:
                    self._wait_until_read(self._stall_s)

    def _wait_until_read(self, stall_s: float | None) -> None:
        room = select.poll()
        room.register(self._socket.fileno(), select.POLLOUT)
        if not room.poll(None if stall_s is None else stall_s * 1000):
            self._stalled = True
            raise TimeoutError("the other end does not read")

    def _take(self) -> bytes | None:
        if len(self._pending) < _LENGTH.size:
            return None
        (size,) = _LENGTH.unpack_from(self._pending)
        if size > self.frame_bytes_max:
            raise LimitExceeded(
                "SR-GUEST-101",
                f"a frame of {size} bytes is larger than the limit of {self.frame_bytes_max} bytes",
                fix="this is a fault of the other end, not a setting; see its log",
                size=size,
                limit=self.frame_bytes_max,
                setting="guest.frames.FRAME_BYTES_MAX",
            )
        end = _LENGTH.size + size
        if len(self._pending) < end:
            return None
        with memoryview(self._pending) as view:
            message = bytes(view[_LENGTH.size : end])
        del self._pending[:end]
        return message

    def _wait(self, deadline: float | None) -> bool:
        if deadline is None:
            return True
        left_ms = min(max(0.0, (deadline - time.monotonic()) * 1000), _POLL_MS_MAX)
        # Rounded up: poll with 0 would spin through the last millisecond.
        return bool(self._poll.poll(int(left_ms) + (1 if left_ms > 0 else 0)))

    def _fill(self) -> bool:
        size = _READ_BYTES
        if len(self._pending) >= _LENGTH.size:
            (wanted,) = _LENGTH.unpack_from(self._pending)
            size = min(max(size, wanted - len(self._pending) + _LENGTH.size), 1 << 22)
        try:
            data, ancillary, flags, _address = self._socket.recvmsg(
                size, self._ancillary_bytes, socket.MSG_CMSG_CLOEXEC
            )
        except (ConnectionResetError, BrokenPipeError):
            return False
        if flags & socket.MSG_CTRUNC and not self._ancillary_bytes:
            # The kernel has closed them: there was no room to put them.
            raise LimitExceeded(
                "SR-GUEST-102",
                "the other end sent descriptors, which it may not",
                fix="this is a fault of the other end, not a setting; see its log",
                setting="guest.frames.Frames.takes_descriptors",
            )
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                received = array.array("i")
                received.frombytes(payload[: len(payload) - len(payload) % received.itemsize])
                self._descriptors.extend(received)
        self._pending += data
        return bool(data)


def _close(descriptor: int) -> None:
    try:
        socket.close(descriptor)
    except OSError:
        # It is gone already, which is what was wanted.
        return
