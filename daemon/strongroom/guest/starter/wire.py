"""Messages between ``strongroom-runner`` and its clients: one datagram each, with at most one descriptor.

The socket keeps messages whole, so there is no half of one; what is longer than it may be is refused, not cut.
"""

import array
import contextlib
import os
import socket
from typing import Final

__all__ = ["BrokenMessage", "check_socket", "pair", "receive", "send"]

MESSAGE_BYTES_MAX: Final = 4_096
"""The longest is the account of a runner's end, with its last words of 2000 bytes."""

_ONE_DESCRIPTOR: Final = socket.CMSG_LEN(array.array("i").itemsize)
_FLAGS: Final = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC


class BrokenMessage(Exception):
    """The other end sent what cannot be a message. The text says what."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a connection."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(connection: socket.socket, message: bytes, descriptor: int | None = None) -> None:
    """Send one message without waiting. Raises ``OSError``, also when the other end does not read."""
    rights = [] if descriptor is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
    connection.sendmsg([message], rights, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def receive(connection: socket.socket) -> tuple[bytes, int | None] | None:
    """The message that is there and its descriptor, which the caller closes; ``None`` when the other end hung up.

    Raises ``BrokenMessage``, ``BlockingIOError`` when nothing is there, ``OSError``.
    """
    try:
        data, ancillary, flags, _address = connection.recvmsg(MESSAGE_BYTES_MAX, _ONE_DESCRIPTOR, _FLAGS)
    except ConnectionResetError:
        # That the other end read not all is told once, and before what it said itself.
        data, ancillary, flags, _address = connection.recvmsg(MESSAGE_BYTES_MAX, _ONE_DESCRIPTOR, _FLAGS)
    came = array.array("i")
    for level, kind, payload in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            came.frombytes(payload[: len(payload) - len(payload) % came.itemsize])
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or len(came) > 1:
        for descriptor in came:
            _close(descriptor)
        raise BrokenMessage("it is too long" if flags & socket.MSG_TRUNC else "more than one descriptor came with it")
    if not data:
        for descriptor in came:
            _close(descriptor)
        return None
    return data, (came[0] if came else None)


def check_socket(untrusted: socket.socket, *, listens: bool = False) -> None:
    """Raises ``ValueError`` unless it is a Unix socket that keeps messages whole, and listens or does not."""
    if untrusted.family != socket.AF_UNIX:
        raise ValueError("it is no Unix socket")
    if untrusted.type != socket.SOCK_SEQPACKET:
        raise ValueError("it does not keep messages whole (in a socket unit: ListenSequentialPacket)")
    if bool(untrusted.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)) != listens:
        raise ValueError("it does not listen" if listens else "it listens")


def _close(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)
