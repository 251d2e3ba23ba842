"""How often a workflow may be started: a bucket of tokens for each."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from strongroom_http_trigger.limits import RATES_MAX
from strongroom_http_trigger.refusal import overloaded

__all__ = ["Rate"]


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Rate:
    """One start every ``every_s`` seconds, and at most ``burst`` saved up."""

    def __init__(self, *, every_s: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._every_s = every_s
        self._burst = burst
        self._now = now
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, workflow_id: str) -> None:
        """One start of a workflow. Raises ``Refusal`` with the time to wait when there is none."""
        with self._lock:
            now = self._now()
            bucket = self._buckets.pop(workflow_id, None) or _Bucket(float(self._burst), now)
            bucket.tokens = min(bucket.tokens + (now - bucket.at) / self._every_s, float(self._burst))
            bucket.at = now
            self._buckets[workflow_id] = bucket
            if len(self._buckets) > RATES_MAX:
                self._buckets.popitem(last=False)
            if bucket.tokens < 1:
                wait_s = math.ceil((1 - bucket.tokens) * self._every_s)
                raise overloaded(
                    f"this workflow starts once every {self._every_s:g} s, {self._burst} times at once", wait_s
                )
            bucket.tokens -= 1
