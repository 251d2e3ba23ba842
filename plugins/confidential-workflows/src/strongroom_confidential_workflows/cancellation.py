"""One execution's cancellation, which may come before there is anything to stop."""

import threading
from collections.abc import Callable
from typing import Final

from strongroom.plugin import CapabilityError

__all__ = ["STOPPING", "Cancellation"]

STOPPING: Final = "the plugin is stopping"


class Cancellation:
    """Set at most once; the first reason stays. ``execution_id`` is empty during subscribe."""

    def __init__(self, execution_id: str) -> None:
        self.execution_id = execution_id
        self._lock = threading.Lock()
        self._reason = ""
        self._stop: Callable[[str], None] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether there is something to stop."""
        return self._stop is not None

    def cancel(self, reason: str) -> None:
        """Stop the execution, now or as soon as it can be stopped."""
        with self._lock:
            self._reason = self._reason or reason or "cancelled"
            stop = self._stop
        if stop is not None:
            stop(self._reason)

    def on_cancel(self, stop: Callable[[str], None]) -> None:
        """Have ``stop`` called with the reason; at once when it is cancelled already."""
        with self._lock:
            self._stop = stop
            reason = self._reason
        if reason:
            stop(reason)

    def check(self) -> None:
        """Raise ``CapabilityError`` (Canceled) when it is cancelled."""
        if self._reason:
            text = f"the execution was cancelled: {self._reason}"
            raise CapabilityError("Public", "System", "Canceled", text)
