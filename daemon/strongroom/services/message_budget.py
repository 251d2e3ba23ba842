"""How much of the memory of this host the messages of calls may take.

gRPC receives a message whole, before anybody can ask how large it is. So it is bounded twice: few messages are received
at once, and what has come is charged to a budget before it is read, and given back when its call ends.

Rule: no caller takes more than a few times what is left, of either.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from strongroom.errors import Exhausted

__all__ = ["RECEIVING_MAX", "MessageBudget"]

RECEIVING_MAX: Final = 8
"""Messages that are received at once; usually it takes no time. Each may be as large as any message."""
SMALL_BYTES: Final = 65_536
"""What is smaller is not counted: there are no more of them than threads."""
TAKEN_PER_FREE: Final = 3
RETRY_MS: Final = 500


class MessageBudget:
    """Counts the bytes of messages whose calls go on, and the places of those that are being received."""

    def __init__(self, bytes_max: int, receiving_max: int = RECEIVING_MAX) -> None:
        self._bytes_max = bytes_max
        self._receiving_max = receiving_max
        self._changed = threading.Condition()
        self._receiving: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._here = threading.local()
        self.held_bytes = 0
        """Bytes of messages whose calls go on."""

    @contextmanager
    def receiving(self, caller: str) -> Iterator[None]:
        """Wait for a place, and have it until ``received``, or until the block ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_place(caller))
            self._receiving[caller] += 1
        self._here.caller = caller
        try:
            yield
        finally:
            self.received()

    def received(self) -> None:
        """The message of the call that is answered in this thread has come."""
        caller = getattr(self._here, "caller", None)
        if caller is None:
            return
        self._here.caller = None
        with self._changed:
            _take_off(self._receiving, caller, 1)
            self._changed.notify_all()

    @contextmanager
    def charged(self, caller: str, size: int) -> Iterator[None]:
        """Count ``size`` bytes until the block ends. Raises ``Exhausted`` where they do not fit."""
        if size < SMALL_BYTES:
            yield
            return
        with self._changed:
            free = self._bytes_max - self.held_bytes - size
            held = self._bytes[caller]
            # The first one of a caller fits whenever there is room for it: it may be larger than what is left then.
            if free < 0 or (held and held + size > TAKEN_PER_FREE * free):
                raise Exhausted(
                    "SR-LIMIT-005",
                    f"messages of {self.held_bytes} bytes are in memory, and this one has {size}",
                    why=f"limits.messages_bytes_max is {self._bytes_max}, of which no caller takes all",
                    fix="try again in a moment, or send less at once",
                    size=size,
                    limit=self._bytes_max,
                    setting="limits.messages_bytes_max",
                    retry_ms=RETRY_MS,
                )
            self.held_bytes += size
            self._bytes[caller] += size
        try:
            yield
        finally:
            with self._changed:
                self.held_bytes -= size
                _take_off(self._bytes, caller, size)

    def _has_place(self, caller: str) -> bool:
        free = self._receiving_max - self._receiving.total()
        return self._receiving[caller] < TAKEN_PER_FREE * free


def _take_off(counts: Counter[str], caller: str, number: int) -> None:
    counts[caller] -= number
    if not counts[caller]:
        del counts[caller]
