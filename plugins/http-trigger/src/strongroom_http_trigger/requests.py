"""Requests that were taken, in the plugin's store: what each one was, and whether its event is accepted.

The row is written before the event is kept, so an id that is known always has the digest of its first request; it says
"accepted" before the event is let go of, so a repeated request is answered even when the host is long done with it.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from strongroom.plugin import Store
from strongroom_http_trigger.limits import ROWS_MAX, ROWS_PRUNED_PER_REQUEST

__all__ = ["Requests", "Taken", "request_key"]

PREFIX: Final = "request/"
DIGEST_BYTES: Final = 32
PENDING: Final = b"\x01\x00"
ACCEPTED: Final = b"\x01\x01"
# The host gives an event up after a day; until then its row says what it was.
PENDING_S_MAX: Final = 90_000.0


def request_key(trigger_id: str, request_id: str) -> str:
    """What a request is kept under: ids of other people are no part of names in the store."""
    return _prefix(trigger_id) + hashlib.sha256(request_id.encode()).hexdigest()


def _prefix(trigger_id: str) -> str:
    return hashlib.sha256(trigger_id.encode()).hexdigest() + "-"


@dataclass(frozen=True, slots=True)
class Taken:
    """One request."""

    digest: bytes
    accepted: bool


class Requests:
    """``keep_s`` is how long an accepted request is remembered; ``now_s`` is Unix time. All raise as the store."""

    def __init__(
        self,
        store: Store,
        *,
        keep_s: float,
        rows_max: int = ROWS_MAX,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._keep_s = keep_s
        self._rows_max = rows_max
        self._now_s = now_s
        self._changed = threading.Condition()
        # Key to name in the store, oldest first; and what is known of it without asking the store.
        self._names: OrderedDict[str, str] = OrderedDict()
        self._known: dict[str, Taken] = {}
        for name in store.list(PREFIX):
            self._names[name.rpartition("/")[2]] = name

    def find(self, key: str) -> Taken | None:
        """The request, or ``None`` when its time is over."""
        with self._changed:
            name, taken = self._names.get(key), self._known.get(key)
        if name is None:
            return None
        if taken is None:
            taken = _taken(self._store.get(name))
            with self._changed:
                taken = self._known.setdefault(key, taken)
        return None if taken.accepted and self._age_s(name) > self._keep_s else taken

    def put(self, key: str, digest: bytes) -> None:
        """A new request, pending; on disk when this returns."""
        self._prune()
        with self._changed:
            old = self._names.get(key)
        if old is not None:
            self._forget(key, old)
        name = f"{PREFIX}{int(self._now_s() * 1000):013d}/{key}"
        self._store.put(name, PENDING + digest)
        with self._changed:
            self._names[key] = name
            self._known[key] = Taken(digest, accepted=False)

    def drop(self, key: str) -> None:
        """A request that was refused after all."""
        with self._changed:
            name = self._names.get(key)
        if name is not None:
            self._forget(key, name)

    def accept(self, key: str) -> None:
        """The host has the event; on disk when this returns. A request that is not known needs nothing."""
        taken = self.find(key)
        if taken is None or taken.accepted:
            return
        with self._changed:
            name = self._names.get(key)
        if name is None:
            return
        self._store.put(name, ACCEPTED + taken.digest)
        with self._changed:
            self._known[key] = Taken(taken.digest, accepted=True)
            self._changed.notify_all()

    def wait(self, key: str, timeout_s: float) -> bool:
        """Whether the request is accepted, within ``timeout_s``."""

        def accepted() -> bool:
            taken = self._known.get(key)
            return taken is not None and taken.accepted

        with self._changed:
            return self._changed.wait_for(accepted, timeout_s)

    def forget(self, trigger_id: str) -> None:
        """A workflow is gone for good, and its ids with it. A crash meanwhile leaves some until their time is over."""
        prefix = _prefix(trigger_id)
        with self._changed:
            gone = {key: name for key, name in self._names.items() if key.startswith(prefix)}
            for key in gone:
                del self._names[key]
                self._known.pop(key, None)
        for name in gone.values():
            self._store.delete(name)

    def _prune(self) -> None:
        """Forget a few of those that are too old or too many."""
        for _ in range(ROWS_PRUNED_PER_REQUEST):
            with self._changed:
                key, name = next(iter(self._names.items()), ("", ""))
            if not key:
                return
            taken = self.find(key)
            limit_s = PENDING_S_MAX if taken is not None and not taken.accepted else self._keep_s
            if len(self._names) < self._rows_max and self._age_s(name) <= limit_s:
                return
            self._forget(key, name)

    def _forget(self, key: str, name: str) -> None:
        self._store.delete(name)
        with self._changed:
            if self._names.get(key) == name:
                del self._names[key]
                self._known.pop(key, None)

    def _age_s(self, name: str) -> float:
        digits = name[len(PREFIX) :].partition("/")[0]
        return self._now_s() - (int(digits) / 1000 if digits.isdecimal() else 0.0)


def _taken(row: bytes | None) -> Taken:
    """A row that cannot be read equals no request, so its id stays used until its time is over."""
    if row is None or len(row) != len(PENDING) + DIGEST_BYTES or row[: len(PENDING)] not in (PENDING, ACCEPTED):
        return Taken(b"", accepted=True)
    return Taken(row[len(PENDING) :], accepted=row[: len(PENDING)] == ACCEPTED)
