"""One connection to one checked address, with an end that holds.

A timeout of a socket starts anew with each byte, so a far side that sends one byte a second is never late. Here a timer
shuts the connection down at the deadline, whatever it is doing.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

__all__ = ["Line", "connected", "left_s"]


def left_s(deadline: float) -> float:
    """Seconds until ``deadline`` (of the monotonic clock), more than none. Raises ``TimeoutError``."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def connected(addresses: Sequence[str], port: int, deadline: float) -> socket.socket:
    """A connection to the first of ``addresses`` that takes one. They are not looked up again: they are numbers.

    Raises ``OSError``; ``TimeoutError`` at the deadline.
    """
    failure: OSError | None = None
    for position, address in enumerate(addresses):
        share = left_s(deadline) / (len(addresses) - position)
        try:
            made = socket.create_connection((address, port), timeout=share)
        except OSError as error:
            failure = error
        else:
            # The end of the handshake and the request are two small writes; the second must not wait for the first.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made
    left_s(deadline)
    raise failure or ConnectionError


class Line:
    """A socket that ends at its deadline. ``socket`` speaks TLS when there is a context, after ``shake_hands``."""

    def __init__(self, raw: socket.socket, deadline: float) -> None:
        self.socket = raw
        self._deadline = deadline
        self._late = threading.Event()
        self._timer = threading.Timer(max(deadline - time.monotonic(), 0.0), self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with contextlib.suppress(OSError):
            self.socket.close()

    def shake_hands(self, context: ssl.SSLContext, name: str) -> None:
        """Speak TLS from now on, with whoever can prove to be ``name``. Raises ``OSError``, of which TLS is a part."""
        # An answer that ends without TLS saying so may have been cut off by anybody.
        secured = context.wrap_socket(
            self.socket, server_hostname=name, do_handshake_on_connect=False, suppress_ragged_eofs=False
        )
        self.socket = secured
        secured.settimeout(left_s(self._deadline))
        secured.do_handshake()

    def check(self) -> None:
        """Raise ``TimeoutError`` if the deadline has passed: what was read since may be cut off."""
        if self._late.is_set():
            raise TimeoutError

    def _end(self) -> None:
        self._late.set()
        with contextlib.suppress(OSError):
            # The plain shutdown: the state of TLS belongs to the thread that reads.
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
