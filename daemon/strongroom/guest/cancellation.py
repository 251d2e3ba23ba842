"""A wish to stop, which may come before there is anything to stop."""

import threading
from collections.abc import Callable
from typing import Final, Protocol

from strongroom.errors import Cancelled

__all__ = ["AS_SET", "Cancellation", "Stop"]

AS_SET: Final = -1
"""The grace that ``limits.cancel_grace_ms`` names."""


class Stop(Protocol):
    """What a helper calls to stop its run."""

    def __call__(self, reason: str, grace_ms: int = AS_SET) -> None:
        """Let what the guest waits for fail, and end the guest after ``grace_ms``; 0 kills it.

        It may be called again to shorten the grace, and from any thread. The first reason stays.
        """


class Cancellation:
    """Hears of a cancel, and tells whoever listens at that time or later."""

    def __init__(self, grace_ms: int) -> None:
        self._lock = threading.Lock()
        self._listener: Callable[[str, int], None] | None = None
        self._grace_as_set_ms = grace_ms
        self.grace_ms = grace_ms
        """The time that the guest gets, once the wish has come."""
        self.reason = ""
        """Why, once it has come."""

    def cancel(self, reason: str, grace_ms: int = AS_SET) -> None:
        """Take the wish in. The first reason stays, and the shortest grace."""
        with self._lock:
            grace_ms = self._grace_as_set_ms if grace_ms == AS_SET else max(grace_ms, 0)
            if self.reason and grace_ms >= self.grace_ms:
                return
            self.reason = self.reason or reason or "cancelled"
            self.grace_ms = grace_ms
            listener = self._listener
        if listener is not None:
            listener(self.reason, grace_ms)

    def listen(self, listener: Callable[[str, int], None]) -> None:
        """Have ``listener`` called instead of the one before; at once when the wish has come already."""
        with self._lock:
            self._listener = listener
            if not self.reason:
                return
        listener(self.reason, self.grace_ms)

    def check(self) -> None:
        """Raises ``Cancelled`` once the wish has come."""
        if self.reason:
            raise Cancelled("SR-GUEST-013", "the run was cancelled", why=self.reason)
