"""``LwwClock``: the times that entries get.

Time goes forward: later than now, or one after the last time seen, whoever wrote it. A time further ahead than
``AHEAD_MS_MAX`` is not handed out, and one that comes from elsewhere is not followed: a single wrong clock would
otherwise take all others with it.
Source: contracts/workspace-encryption.md 6 and 17 row 12.
"""

from collections.abc import Callable, Iterable
from typing import Final

from strongroom.errors import LimitExceeded

__all__ = ["AHEAD_MS_MAX", "LwwClock"]

AHEAD_MS_MAX: Final = 24 * 60 * 60 * 1000
"""A day: clocks that are set to the wrong zone are within it; one that is further off is broken or lies."""


class LwwClock:
    """Of one store. ``now_ms`` gives Unix time."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._last_ts = 0

    @property
    def limit_ts(self) -> int:
        """The latest time that may be handed out now."""
        return self._now_ms() + AHEAD_MS_MAX

    def see(self, times: Iterable[int]) -> int:
        """Take note of times written elsewhere; returns how many are too far ahead, which are not followed."""
        limit = self.limit_ts
        ahead = 0
        for ts in times:
            if ts > limit:
                ahead += 1
            elif ts > self._last_ts:
                self._last_ts = ts
        return ahead

    def next(self) -> int:
        """The next time."""
        return self._next(self._now_ms())

    def stamp(self, array: str, rival_ts: int) -> int:
        """``next``, handed out, to win against an entry with the time ``rival_ts`` (-1 where there is none).

        Raises ``LimitExceeded`` when that is too far ahead.
        """
        now = self._now_ms()
        ts = max(self._next(now), rival_ts + 1)
        if ts > now + AHEAD_MS_MAX:
            raise LimitExceeded(
                "SR-WS-005",
                f"an entry of {array} has a time too far ahead of this clock, so nothing can be written over it",
                why=f"it is {ts - now} ms ahead; no more than {AHEAD_MS_MAX} ms are handed out",
                fix="correct the clock that is wrong, here or where it was written; or delete the entry, then set it",
                size=ts - now,
                limit=AHEAD_MS_MAX,
            )
        self._last_ts = ts
        return ts

    def _next(self, now: int) -> int:
        # After a clock that was far ahead is set right, its times are followed no longer.
        last = self._last_ts if self._last_ts < now + AHEAD_MS_MAX else 0
        return now if now > last else last + 1
