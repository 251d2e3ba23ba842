"""Carries a wish to stop from whoever has it to whoever executes, and to whoever waits."""

import threading
import time
from collections.abc import Callable

from strongroom.guest.cancellation import Stop

__all__ = ["CancelSignal"]


class CancelSignal:
    """A wish to stop: to cancel, with a grace for the guest and for what it sent, or to kill, with none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stops: list[Stop] = []
        self._killed = False
        self._left = False
        self._woken: list[Callable[[], None]] = []
        self.reason: str | None = None
        self.asked_s = 0.0
        """When it came, monotonic."""

    def set(self, reason: str) -> None:
        """Ask to cancel, once; later reasons are ignored."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason, self.asked_s = reason, time.monotonic()
            stops, woken, self._woken = list(self._stops), self._woken, []
        for wake in woken:
            wake()
        for stop in stops:
            stop(reason)

    def kill(self, reason: str) -> None:
        """Ask to end now, also after a wish to cancel."""
        with self._lock:
            if self._killed:
                return
            self._killed = True
            if self.reason is None:
                self.reason, self.asked_s = reason, time.monotonic()
            stops, woken, self._woken = list(self._stops), self._woken, []
        for wake in woken:
            wake()
        for stop in stops:
            stop(reason, grace_ms=0)

    def on_set(self, stop: Stop) -> None:
        """Call ``stop`` with the reason, at once when there is one already."""
        with self._lock:
            self._stops.append(stop)
            reason, killed = self.reason, self._killed
        if killed:
            stop(reason or "", grace_ms=0)
        elif reason is not None:
            stop(reason)

    def forget_guest(self) -> None:
        """The guest that was executing is gone; nothing of it is to be stopped any more."""
        with self._lock:
            self._stops.clear()

    def leave(self) -> None:
        """Let nobody wait any longer, without a wish to stop: the run is left to the next start of the host."""
        with self._lock:
            self._left = True
            woken, self._woken = self._woken, []
        for wake in woken:
            wake()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the wish, at most ``timeout_s``; whether it has come, or waiting is over for good."""
        woken = threading.Event()
        with self._lock:
            if self.reason is not None or self._left:
                return True
            self._woken.append(woken.set)
        came = woken.wait(timeout_s)
        with self._lock:
            if woken.set in self._woken:
                self._woken.remove(woken.set)
        return came
