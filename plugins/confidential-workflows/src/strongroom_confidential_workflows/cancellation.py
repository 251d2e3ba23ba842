"""Why one execution is stopped before its end, which may be decided before there is anything to stop."""

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
        self.is_cut_off = False
        self._stop: Callable[[str], None] | None = None

    def cancel(self, reason: str) -> None:
        """Stop the execution, now or as soon as it can be stopped: nobody wants it any more."""
        self._set(reason or "cancelled", is_cut_off=False)

    def cut_off(self, reason: str) -> None:
        """The same for one that is still wanted: its caller hears that it may be executed again."""
        self._set(reason, is_cut_off=True)

    def on_cancel(self, stop: Callable[[str], None]) -> None:
        """Have ``stop`` called with the reason; at once when there is one already."""
        with self._lock:
            self._stop = stop
            reason = self._reason
        if reason:
            stop(reason)

    def check(self) -> None:
        """Raise ``CapabilityError``: Canceled when it is cancelled, Unavailable when it was cut off."""
        with self._lock:
            reason, is_cut_off = self._reason, self.is_cut_off
        if reason:
            name, how = ("Unavailable", "cut off") if is_cut_off else ("Canceled", "cancelled")
            raise CapabilityError("Public", "System", name, f"the execution was {how}: {reason}")

    def _set(self, reason: str, *, is_cut_off: bool) -> None:
        with self._lock:
            if not self._reason:
                self._reason, self.is_cut_off = reason, is_cut_off
            stop = self._stop
        if stop is not None:
            stop(self._reason)
