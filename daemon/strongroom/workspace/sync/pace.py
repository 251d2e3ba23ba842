"""How fast one connection may speak: in bursts as it likes, lastingly at a rate."""

from collections.abc import Callable
from typing import Final

__all__ = ["Pace"]

FRAME_BYTES: Final = 16_384
"""A larger frame counts for as many: what is sent on costs by the byte."""
BURST_S: Final = 5
"""Seconds of the rate that may come at once: a client that was offline sends what it has."""


class Pace:
    """Counts frames. ``now_s`` is a clock that never goes back."""

    def __init__(self, per_second: int, now_s: Callable[[], float]) -> None:
        self._per_second = per_second
        self._now_s = now_s
        self._most = float(per_second * BURST_S)
        self._left = self._most
        self._at_s = now_s()

    def wait_s(self, size: int = 0) -> float:
        """Count a frame of ``size`` bytes; the seconds to wait before the next one is read."""
        now_s = self._now_s()
        self._left = min(self._most, self._left + (now_s - self._at_s) * self._per_second)
        self._left -= 1 + size // FRAME_BYTES
        self._at_s = now_s
        return max(0.0, -self._left / self._per_second)
