"""How often and how many at once: a bucket of tokens and a count of open requests for each owner."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from strongroom_http_actions.limits import OWNERS_MAX
from strongroom_http_actions.refusals import limited

__all__ = ["Places", "Rate"]


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Rate:
    """One token every ``every_s`` seconds, and at most ``burst`` saved up. Whose bucket is full is forgotten first."""

    def __init__(self, what: str, *, every_s: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._every_s = every_s
        self._burst = burst
        self._now = now
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, owner: str) -> None:
        """One token of ``owner``. Raises ``CapabilityError`` (User, LimitExceeded) when there is none."""
        with self._lock:
            now = self._now()
            bucket = self._buckets.pop(owner, None) or _Bucket(float(self._burst), now)
            bucket.tokens = min(bucket.tokens + (now - bucket.at) / self._every_s, float(self._burst))
            bucket.at = now
            self._buckets[owner] = bucket
            if len(self._buckets) > OWNERS_MAX:
                self._buckets.popitem(last=False)
            if bucket.tokens < 1:
                wait_s = (1 - bucket.tokens) * self._every_s
                raise limited(
                    self._what,
                    f"one every {self._every_s:g} s and {self._burst} at once; try again in {wait_s:.1f} s",
                )
            bucket.tokens -= 1


class Places:
    """Requests that are open at once: ``total`` of them, and ``each`` of one owner."""

    def __init__(self, *, total: int, each: int, now: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._each = each
        self._now = now
        self._changed = threading.Condition()
        self._open: dict[str, int] = {}

    @contextmanager
    def one(self, owner: str, deadline: float) -> Iterator[None]:
        """A place, waited for until ``deadline``. Raises ``CapabilityError`` (User, LimitExceeded)."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._free(owner), max(deadline - self._now(), 0.0)):
                detail = f"{self._total} of this host or {self._each} of this owner are open, and none ended in time"
                raise limited("requests at once", detail)
            self._open[owner] = self._open.get(owner, 0) + 1
        try:
            yield
        finally:
            with self._changed:
                self._open[owner] -= 1
                if not self._open[owner]:
                    del self._open[owner]
                self._changed.notify_all()

    def _free(self, owner: str) -> bool:
        return sum(self._open.values()) < self._total and self._open.get(owner, 0) < self._each
