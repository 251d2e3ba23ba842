"""Counters of what happens often: a lock and an addition each, so that a run pays a microsecond for all of them.

What they hold is turned into metrics when somebody asks. Every one of them bounds its labels: what comes beyond is
``other``.
"""

import threading
from bisect import bisect_left
from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["CALL_BOUNDS_S", "CODES", "NAMES_MAX", "OK", "OTHER", "RUN_BOUNDS_S", "Counts", "Histogram", "Spread"]

OTHER: Final = "other"
OK: Final = "ok"
NAMES_MAX: Final = 64
"""Capabilities with a label of their own; a host has a dozen or two."""
RUN_BOUNDS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0, 86_400.0)
CALL_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
CODES: Final = frozenset(
    {
        OK,
        "Aborted",
        "AlreadyExists",
        "Canceled",
        "DataLoss",
        "DeadlineExceeded",
        "FailedPrecondition",
        "Internal",
        "InvalidArgument",
        "LimitExceeded",
        "NotFound",
        "OutOfRange",
        "PermissionDenied",
        "ResourceExhausted",
        "Unauthenticated",
        "Unavailable",
        "Unimplemented",
        "Unknown",
    }
)
"""Words of errors that count by name; a plugin may send any other."""
OUTCOMES: Final = frozenset({"completed", "failed", "cancelled", "timed_out"})
REASONS: Final = frozenset({"key_missing", "not_ours", "tampered"})


class Spread(NamedTuple):
    """How values lie: how many up to each bound, then those beyond, and their sum."""

    bounds: tuple[float, ...]
    buckets: tuple[int, ...]
    sum: float


class Histogram:
    """Values in buckets. Whoever calls holds the lock."""

    __slots__ = ("_bounds", "_buckets", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._buckets = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """One more value; one below zero, of a clock that was set, counts as zero."""
        value = max(value, 0.0)
        self._buckets[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def spread(self) -> Spread:
        """How they lie now."""
        return Spread(self._bounds, tuple(self._buckets), self._sum)


class Counts:
    """What this host has counted since it started. Safe for any thread."""

    def __init__(self) -> None:
        self._counting = threading.Lock()
        self._started = 0
        self._finished = dict.fromkeys(sorted(OUTCOMES), 0)
        self._durations = Histogram(RUN_BOUNDS_S)
        self._calls: dict[tuple[str, str], Histogram] = {}
        self._names: set[str] = set()
        self._faults = dict.fromkeys(sorted(REASONS), 0)

    def run_started(self) -> None:
        """A run was accepted."""
        with self._counting:
            self._started += 1

    def run_finished(self, outcome: str, duration_s: float) -> None:
        """A run ended; ``outcome`` is the state that it ended in."""
        with self._counting:
            name = outcome if outcome in OUTCOMES else OTHER
            self._finished[name] = self._finished.get(name, 0) + 1
            self._durations.add(duration_s)

    def called(self, capability: str, code: str, duration_s: float) -> None:
        """A capability answered, or did not."""
        with self._counting:
            found = self._calls.get((capability, code))
            if found is None:
                found = self._new_call(capability, code)
            found.add(duration_s)

    def not_opened(self, reason: str) -> None:
        """Something that is sealed did not open."""
        with self._counting:
            name = reason if reason in REASONS else OTHER
            self._faults[name] = self._faults.get(name, 0) + 1

    def _new_call(self, capability: str, code: str) -> Histogram:
        if capability not in self._names:
            if len(self._names) >= NAMES_MAX:
                capability = OTHER
            else:
                self._names.add(capability)
        key = capability, code if code in CODES else OTHER
        return self._calls.setdefault(key, Histogram(CALL_BOUNDS_S))

    @property
    def started(self) -> int:
        """Runs that were accepted."""
        return self._started

    @property
    def finished(self) -> Mapping[str, int]:
        """Runs that ended, by outcome."""
        with self._counting:
            return dict(self._finished)

    @property
    def durations(self) -> Spread:
        """How long runs took, seconds."""
        with self._counting:
            return self._durations.spread()

    @property
    def calls(self) -> Mapping[tuple[str, str], Spread]:
        """How long calls took, seconds, by capability and code."""
        with self._counting:
            return {key: histogram.spread() for key, histogram in self._calls.items()}

    @property
    def faults(self) -> Mapping[str, int]:
        """What did not open, by reason."""
        with self._counting:
            return dict(self._faults)
