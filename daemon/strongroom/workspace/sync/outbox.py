"""What a client has still to send, written by whoever changes the document and emptied by one thread.

Rule: it never waits and never grows without bound, since writers hold the document's lock. When it overflows it forgets
everything and says so: a new handshake tells the relay what it lacks.
"""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Answer", "Change", "Outbox", "Outgoing"]

BYTES_MAX: Final = 32 * 2**20
"""Far more than one change; a relay that is this far behind gets the difference instead."""


@dataclass(frozen=True, slots=True)
class Change:
    """An update of the document that was just made, in V1."""

    update: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the relay lacks, in V1."""

    update: bytes = field(repr=False)


Outgoing = Change | Answer | bytes | str
"""Bytes and text are frames already."""


def _size(item: Outgoing) -> int:
    return len(item.update) if isinstance(item, Change | Answer) else len(item)


class Outbox:
    """What is to be sent, in order."""

    def __init__(self) -> None:
        self._items: deque[Outgoing] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closed = False
        self.overflowed = False

    def put(self, item: Outgoing) -> None:
        """Add one. Does nothing once it is closed."""
        with self._changed:
            if self._closed:
                return
            self._bytes += _size(item)
            if self._bytes > BYTES_MAX and self._items:
                self._items.clear()
                self.overflowed = self._closed = True
            else:
                self._items.append(item)
            self._changed.notify()

    def take(self) -> Outgoing | None:
        """The next one, when there is one; ``None`` when it is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            if not self._items:
                return None
            item = self._items.popleft()
            self._bytes -= _size(item)
            return item

    def close(self) -> None:
        """Take nothing more; what is in it may still be taken out."""
        with self._changed:
            self._closed = True
            self._changed.notify()
