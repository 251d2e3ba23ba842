"""Calls that were answered already, so that a call that is sent again acts once.

The host sends a step again when it was cut off before the answer was on its disk. Such a call has the execution id and
the reference id that it had the first time. A plugin whose methods change something keeps the answer together with the
change, in one record of its store, and moves it here before that record is replaced:

    key = repeat_key(call)
    ... the record holds ``key`` already: return the answer beside it ...
    answer = repeats.find(key)          # None: it was never answered, so act
    repeats.keep(record.key, record.answer)
    store.put(..., new record with ``key`` and its answer)
"""

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from strongroom.plugin.capability import Call
from strongroom.plugin.host import Store

__all__ = ["REMEMBERED_HOURS", "Repeats", "repeat_key", "request_digest"]

KEY_HEX: Final = 32
REMEMBERED_HOURS: Final = 168
"""A week: a host that was down for longer than that does not find its answers here any more."""
FORGOTTEN_AT_ONCE: Final = 2
"""Old answers that one call removes: more than it adds, so that the store shrinks, and few, so that it stays quick."""


def repeat_key(call: Call) -> str:
    """32 hex digits that a call and its repetition share; empty for a call that is no step of a run."""
    metadata = call.metadata
    if not metadata.workflow_execution_id or not metadata.reference_id:
        return ""
    parts = (metadata.workflow_owner, metadata.workflow_id, metadata.workflow_execution_id, metadata.reference_id)
    framed = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hashlib.blake2b(framed, digest_size=KEY_HEX // 2, person=b"repeat key").hexdigest()


def request_digest(call: Call) -> bytes:
    """16 bytes that tell a repetition from another request under the same ids."""
    digest = hashlib.blake2b(digest_size=16, person=b"repeat request")
    for part in (call.method.encode(), call.payload.type_url.encode(), call.payload.value):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


class Repeats:
    """Answers by ``repeat_key``, kept for ``hours`` at least and twice that at most.

    They stand in the plugin's own part of the store. Safe for any thread.
    """

    def __init__(
        self,
        store: Store,
        *,
        hours: int = REMEMBERED_HOURS,
        prefix: str = "repeat/",
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._period_s = hours * 3600
        self._prefix = prefix
        self._now_s = now_s
        self._lock = threading.Lock()
        self._period = 0
        self._old: deque[str] = deque()

    def find(self, key: str) -> bytes | None:
        """What was answered, or ``None``."""
        period = self._turn()
        for number in (period, period - 1) if key else ():
            answer = self._store.get(self._place(number, key))
            if answer is not None:
                return answer
        return None

    def keep(self, key: str, answer: bytes) -> None:
        """Remember ``answer``, which is on disk when this returns. Without a key there is nothing to remember."""
        period = self._turn()
        with self._lock:
            old = [self._old.popleft() for _ in range(min(FORGOTTEN_AT_ONCE, len(self._old)))]
        for place in old:
            self._store.delete(place)
        if key:
            self._store.put(self._place(period, key), answer)

    def _turn(self) -> int:
        """The number of the period that it is now; at its first call, what is too old is listed for removal."""
        period = int(self._now_s() // self._period_s)
        with self._lock:
            if period != self._period:
                young = (self._place(period), self._place(period - 1))
                self._old = deque(key for key in self._store.list(self._prefix) if not key.startswith(young))
                self._period = period
        return period

    def _place(self, period: int, key: str = "") -> str:
        return f"{self._prefix}{period:08d}/{key}"
