"""Answers that a workflow asked to keep, for itself and for the very same request.

In memory: a host that starts again starts with an empty cache. Only answers with a status of 2xx are kept.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from strongroom.plugin.messages import http_pb2
from strongroom_http_actions.limits import CACHE_AGE_S_MAX, CACHE_BYTES_MAX, CACHE_OWNER_BYTES_MAX

__all__ = ["Cache", "CacheKey"]

# Counted for each entry beside its bytes, so that empty answers are not free.
ENTRY_BYTES = 200


@dataclass(frozen=True, slots=True)
class CacheKey:
    """``digest`` is over the request."""

    owner: str
    workflow_id: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class _Entry:
    value: bytes = field(repr=False)
    at: float

    @property
    def size(self) -> int:
        return len(self.value) + ENTRY_BYTES


class Cache:
    """Bounded in bytes, in all and for each owner; the oldest goes first."""

    def __init__(
        self,
        *,
        bytes_max: int = CACHE_BYTES_MAX,
        owner_bytes_max: int = CACHE_OWNER_BYTES_MAX,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bytes_max = bytes_max
        self._owner_bytes_max = owner_bytes_max
        self._now = now
        self._lock = threading.Lock()
        self._entries: OrderedDict[CacheKey, _Entry] = OrderedDict()
        self._bytes = 0
        self._owner_bytes: dict[str, int] = {}

    def get(self, key: CacheKey, *, max_age_s: float) -> http_pb2.Response | None:
        """The answer, if it is at most ``max_age_s`` old. An age of 0 never reads."""
        if max_age_s <= 0:
            return None
        with self._lock:
            entry = self._entries.get(key)
        if entry is None or self._now() - entry.at > max_age_s:
            return None
        return http_pb2.Response.FromString(entry.value)

    def put(self, key: CacheKey, response: http_pb2.Response) -> None:
        """Keep ``response`` if it is one of success and fits."""
        if not 200 <= response.status_code < 300:
            return
        entry = _Entry(response.SerializeToString(), self._now())
        if entry.size > min(self._bytes_max, self._owner_bytes_max):
            return
        with self._lock:
            self._remove(key)
            self._entries[key] = entry
            self._bytes += entry.size
            self._owner_bytes[key.owner] = self._owner_bytes.get(key.owner, 0) + entry.size
            self._make_room(key.owner)

    def _make_room(self, owner: str) -> None:
        """Entries are in the order of their age, so the first ones are too old or the next to go."""
        while self._entries:
            oldest = next(iter(self._entries))
            too_old = self._now() - self._entries[oldest].at > CACHE_AGE_S_MAX
            if not too_old and self._bytes <= self._bytes_max:
                break
            self._remove(oldest)
        while self._owner_bytes.get(owner, 0) > self._owner_bytes_max:
            self._remove(next(key for key in self._entries if key.owner == owner))

    def _remove(self, key: CacheKey) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self._bytes -= entry.size
        self._owner_bytes[key.owner] -= entry.size
        if not self._owner_bytes[key.owner]:
            del self._owner_bytes[key.owner]
