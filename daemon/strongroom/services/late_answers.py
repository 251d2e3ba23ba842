"""Refusals of those who ask for more than their share are answered a little late.

A client that tries again at once is slowed down by that to the pace of one that waits as it is told, and costs its
neighbours as little. The more of them wait, the longer each does, so that however many there are few are answered in a
second. They wait in the threads of their calls, of which each caller has a part.
"""

import threading
from typing import Final

import grpc

from strongroom.errors import Exhausted, StrongroomError

__all__ = ["LATE_S", "LateAnswers"]

LATE_S: Final = 0.2
LATE_S_MAX: Final = 2.0
CROWD: Final = 16
"""So many more that wait make it as long again: at most some eighty are answered in a second."""
MARGIN_S: Final = 0.05


class LateAnswers:
    """Waits before a refusal is sent. ``close`` ends it for good."""

    def __init__(self, late_s: float = LATE_S) -> None:
        self._late_s = late_s
        self._lock = threading.Lock()
        self._waiting = 0
        self._closed = threading.Event()

    def wait(self, error: StrongroomError, context: grpc.ServicerContext) -> None:
        """Return when ``error`` may be sent: at once unless somebody's share is used up, and within the deadline."""
        if not isinstance(error, Exhausted):
            return
        with self._lock:
            late_s = min(self._late_s * (1 + self._waiting / CROWD), LATE_S_MAX)
            self._waiting += 1
        try:
            left_s = (context.time_remaining() or 0.0) - MARGIN_S
            self._closed.wait(max(0.0, min(late_s, left_s)))
        finally:
            with self._lock:
                self._waiting -= 1

    def close(self) -> None:
        """Nobody waits any longer."""
        self._closed.set()
