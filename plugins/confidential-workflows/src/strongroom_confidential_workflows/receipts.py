"""The receipts of executions that ended a moment ago, until the host has fetched them. They lie in memory only.

The host asks right after an execution and keeps what it gets; a plugin that restarts has none any more.
"""

import threading
from collections import OrderedDict
from typing import Final

__all__ = ["RECEIPTS_BYTES_MAX", "RECEIPTS_MAX", "Receipts"]

RECEIPTS_MAX: Final = 256
"""Four times as many as can run at once."""
RECEIPTS_BYTES_MAX: Final = 64 * 1024 * 1024
"""A dozen of the largest; a usual one has a few KiB."""


class Receipts:
    """By execution id, the last attempt of each; the oldest go first. Threads may share it."""

    def __init__(self, *, count_max: int = RECEIPTS_MAX, bytes_max: int = RECEIPTS_BYTES_MAX) -> None:
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def keep(self, execution_id: str, receipt: bytes) -> None:
        """Keep it in place of that of an earlier attempt."""
        with self._lock:
            self._drop(execution_id)
            self._kept[execution_id] = receipt
            self._bytes += len(receipt)
            while len(self._kept) > self._count_max or self._bytes > self._bytes_max:
                self._drop(next(iter(self._kept)))

    def forget(self, execution_id: str) -> None:
        """Another attempt begins: that of the last one is not its receipt."""
        with self._lock:
            self._drop(execution_id)

    def of(self, execution_id: str) -> bytes:
        """The receipt; no bytes when there is none."""
        with self._lock:
            return self._kept.get(execution_id, b"")

    def _drop(self, execution_id: str) -> None:
        self._bytes -= len(self._kept.pop(execution_id, b""))
