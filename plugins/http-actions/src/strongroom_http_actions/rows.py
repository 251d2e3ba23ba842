"""First answers in the plugin's store, by key: bounded in number and age, the oldest go first.

The time of creation is a part of a row's name, so that pruning needs no reading.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from strongroom.plugin import Store, StrongroomError
from strongroom_http_actions.limits import ROW_AGE_S_MAX, ROWS_MAX, ROWS_PRUNED_PER_CALL
from strongroom_http_actions.outcome import Row, row_of

__all__ = ["Rows"]

PREFIX: Final = "once/"


class Rows:
    """``now_s`` is Unix time: ages outlive the process."""

    def __init__(
        self,
        store: Store,
        log: logging.Logger,
        *,
        rows_max: int = ROWS_MAX,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._log = log
        self._rows_max = rows_max
        self._now_s = now_s
        self._lock = threading.Lock()
        # Key to name in the store, oldest first.
        self._names: OrderedDict[str, str] = OrderedDict()
        for name in store.list(PREFIX):
            self._names[name.rpartition("/")[2]] = name

    def get(self, key: str) -> Row | None:
        """The row, or ``None``. One that cannot be read counts as pending. Raises as the store."""
        with self._lock:
            name = self._names.get(key)
        if name is None or (data := self._store.get(name)) is None:
            return None
        row = row_of(data)
        if row is None:
            self._log.error("a stored outcome cannot be read; its request is not sent again")
        return row or Row(digest=b"", outcome=None)

    def put(self, key: str, row: Row) -> None:
        """Durable when this returns. Raises as the store."""
        with self._lock:
            name = self._names.get(key) or f"{PREFIX}{int(self._now_s() * 1000):013d}/{key}"
        self._store.put(name, row.to_bytes())
        with self._lock:
            self._names[key] = name

    def delete(self, key: str) -> None:
        """Remove a row. Raises as the store."""
        with self._lock:
            name = self._names.pop(key, None)
        if name is not None:
            self._store.delete(name)

    def prune(self) -> None:
        """Remove a few of those that are too old or too many. Never raises: an old row does no harm."""
        oldest_ms = (self._now_s() - ROW_AGE_S_MAX) * 1000
        for _ in range(ROWS_PRUNED_PER_CALL):
            with self._lock:
                key, name = next(iter(self._names.items()), ("", ""))
                if not key or (len(self._names) <= self._rows_max and _created_ms(name) > oldest_ms):
                    return
            try:
                self.delete(key)
            except StrongroomError as error:
                self._log.warning("an old outcome was not removed (%s)", error.code)
                return


def _created_ms(name: str) -> int:
    digits = name[len(PREFIX) :].partition("/")[0]
    return int(digits) if digits.isdecimal() else 0
