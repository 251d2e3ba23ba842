"""A wish to stop, which may come before there is anything to stop."""

import threading
from collections.abc import Callable

from strongroom.errors import Cancelled

__all__ = ["Cancellation"]


class Cancellation:
    """Hears of a cancel once, and tells whoever listens at that time or later."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listener: Callable[[str], None] | None = None
        self.reason = ""
        """Why, once it has come."""

    def cancel(self, reason: str) -> None:
        """Take the wish in. The first reason stays."""
        with self._lock:
            if self.reason:
                return
            self.reason = reason or "cancelled"
            listener = self._listener
        if listener is not None:
            listener(self.reason)

    def listen(self, listener: Callable[[str], None]) -> None:
        """Have ``listener`` called instead of the one before; at once when the wish has come already."""
        with self._lock:
            self._listener = listener
            if not self.reason:
                return
        listener(self.reason)

    def check(self) -> None:
        """Raises ``Cancelled`` once the wish has come."""
        if self.reason:
            raise Cancelled("SR-GUEST-013", "the run was cancelled", why=self.reason)
