"""What one owner may have of this host, and how fast it may start runs."""

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from strongroom.errors import Exhausted

__all__ = ["OwnerLimits", "OwnersLimits", "StartRates"]

FULL_MAX: Final = 1_000
"""Owners whose buckets are remembered before full ones are forgotten; a full bucket is as good as none."""
MS_PER_S: Final = 1_000
START_BYTES: Final = 100_000
"""So much is written to the disk in the time of one start more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerLimits:
    """Limits of one owner, by the names that they have in the section ``owners``. 0 is no limit but the shared rule."""

    runs_executing_max: int = 32
    runs_queued_max: int = 0
    runs_waiting_max: int = 0
    starts_per_s: int = 0
    starts_burst: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnersLimits:
    """Limits of every owner: those of ``others`` where an owner has none of its own.

    ``is_shared`` says that there are several owners, so that none may take all that there is.
    """

    others: OwnerLimits = field(default_factory=OwnerLimits)
    own: Mapping[str, OwnerLimits] = field(default_factory=dict)
    is_shared: bool = False

    def of(self, owner: str) -> OwnerLimits:
        """The limits of ``owner``."""
        return self.own.get(owner, self.others)


class StartRates:
    """How fast each owner starts runs: a bucket of starts, which fills up again with time. ``clock_s`` is monotonic;
    ``limits`` are asked for each time, since they may change."""

    def __init__(self, limits: Callable[[], OwnersLimits], clock_s: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, owner: str, size: int = 0) -> None:
        """Take one start out of the owner's bucket, and one more for each ``START_BYTES`` of its ``size``.

        Raises ``Exhausted`` when there are not as many in it.
        """
        limits = self._limits().of(owner)
        rate, burst = limits.starts_per_s, limits.starts_burst
        if not rate:
            return
        # A run that is larger than the bucket takes all of it.
        wanted = min(1 + size // START_BYTES, burst)
        with self._lock:
            now_s = self._clock_s()
            left, at_s = self._buckets.get(owner, (burst, now_s))
            left = min(burst, left + (now_s - at_s) * rate)
            if is_there := left >= wanted:
                left -= wanted
            self._buckets[owner] = left, now_s
            if len(self._buckets) > FULL_MAX:
                self._forget_full(now_s)
        if not is_there:
            raise Exhausted(
                "SR-LIMIT-001",
                f"owner {owner} starts more than {rate} runs a second",
                why=f"owners.starts_per_s is {rate}, and the {burst} of owners.starts_burst are used up",
                fix="try again in a moment, or raise the limit",
                size=rate + 1,
                limit=rate,
                setting="owners.starts_per_s",
                retry_ms=max(1, math.ceil((wanted - left) / rate * MS_PER_S)),
            )

    def _forget_full(self, now_s: float) -> None:
        for owner, (left, at_s) in list(self._buckets.items()):
            limits = self._limits().of(owner)
            if left + (now_s - at_s) * limits.starts_per_s >= limits.starts_burst:
                del self._buckets[owner]
