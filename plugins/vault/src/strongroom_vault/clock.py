"""Two clocks: one that people set, and one that nobody can turn back."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Clock"]


def _boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)  # unlike the monotonic clock, it goes on while a machine sleeps


@dataclass(frozen=True, slots=True)
class Clock:
    """``wall_s`` is Unix time in seconds; ``boot_s`` seconds since the machine started, which only grow."""

    wall_s: Callable[[], float] = time.time
    boot_s: Callable[[], float] = _boot_s

    def now_s(self) -> int:
        """Unix time in whole seconds."""
        return int(self.wall_s())

    def now(self) -> datetime:
        """The same as a date, for certificates."""
        return datetime.fromtimestamp(self.wall_s(), UTC)
