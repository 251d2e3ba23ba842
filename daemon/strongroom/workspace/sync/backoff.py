"""How long a client waits before it connects again.

Source: contracts/workspace-encryption.md 12: min(500 ms × 2^n, 30 s) × (0.5..1).
"""

from collections.abc import Callable
from typing import Final

__all__ = ["Backoff"]

FIRST_MS: Final = 500
MOST_MS: Final = 30_000
DOUBLINGS_MAX: Final = 16
"""Past the sixth nothing changes; the power stays small however long a relay is away."""


class Backoff:
    """Counts failures. ``random()`` is at least 0 and less than 1; it spreads clients that lost the same relay."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures = 0

    def next_s(self) -> float:
        """Seconds to wait after one more failure."""
        longest_ms = min(FIRST_MS << self._failures, MOST_MS)
        self._failures = min(self._failures + 1, DOUBLINGS_MAX)
        return longest_ms * (0.5 + self._random() / 2) / 1000

    def reset(self) -> None:
        """A connection worked: the next failure is the first again."""
        self._failures = 0
