"""The way of a registration's events to its subscriber, until it is shut.

What a plugin sends before it hears that a registration has ended arrives after that: it lies in a socket, or a thread
holds it. Rule: once ``shut`` has returned true, the subscriber is told nothing more.
"""

import threading
from collections.abc import Callable
from typing import Final, TypeVar

__all__ = ["DELIVERY_WAIT_S_MAX", "Gate"]

DELIVERY_WAIT_S_MAX: Final = 10.0
"""How long the end of a registration waits for an event that is being taken. A subscriber that takes nothing more
returns at once, or when what it has begun is on disk and confirmed; one that hangs must not keep its plugin."""

T = TypeVar("T")


class Gate:
    """Open until it is shut, for any number of threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._passing: list[int] = []
        self._is_shut = False

    def let_through(self, deliver: Callable[[T], None], what: T) -> None:
        """Call ``deliver(what)``, unless the gate is shut."""
        own = threading.get_ident()
        with self._changed:
            if self._is_shut:
                return
            self._passing.append(own)
        try:
            deliver(what)
        finally:
            with self._changed:
                self._passing.remove(own)
                self._changed.notify_all()

    def shut(self, *, wait_s: float = DELIVERY_WAIT_S_MAX) -> bool:
        """Let nothing more through, and wait for what passes; false when some of it has not passed after ``wait_s``.

        A subscriber may end its registration while it is being told of an event: nobody waits for itself.
        """
        own = threading.get_ident()
        with self._changed:
            self._is_shut = True
            return self._changed.wait_for(lambda: all(each == own for each in self._passing), wait_s)
