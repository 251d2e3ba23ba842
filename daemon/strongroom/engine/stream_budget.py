"""How much the streams of a run hold, so that a write that would be too much is refused before it is one.

What is on its way to the disk counts already. The numbers of a run are read from its rows at its first write and kept
for as long as it is written to; after a failed write they are read again.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from strongroom.engine.limits import EngineLimits
from strongroom.engine.stream_chunk import OVERHEAD_BYTES
from strongroom.errors import LimitExceeded
from strongroom.storage import stream_chunks
from strongroom.storage.database import Database

__all__ = ["StreamBudget", "check_chunk"]

RUNS_KEPT_MAX: Final = 1_024
"""Runs that are written to at once, and a margin; reading one again takes milliseconds."""
ALL: Final = 1_000_000
"""More streams than any setting allows for one run."""


@dataclass(slots=True)
class _Used:
    """What the streams of one run hold."""

    names: set[str]
    chunks: int
    size: int


def check_chunk(data: bytes, limits: EngineLimits) -> None:
    """Raises ``LimitExceeded`` for a chunk that is too large."""
    if len(data) > limits.stream_chunk_bytes_max:
        raise LimitExceeded(
            "SR-STREAM-002",
            f"the chunk has {len(data)} bytes, more than {limits.stream_chunk_bytes_max}",
            fix="write it as several chunks, or raise limits.stream_chunk_bytes_max",
            size=len(data),
            limit=limits.stream_chunk_bytes_max,
            setting="limits.stream_chunk_bytes_max",
        )


class StreamBudget:
    """What is left for the streams of each run. Safe to use from several threads."""

    def __init__(self, database: Database, limits: EngineLimits) -> None:
        self._database = database
        self._limits = limits
        self._lock = threading.Lock()
        self._used: OrderedDict[str, _Used] = OrderedDict()

    def take(self, run_id: str, name: str, size: int, *, is_mark: bool) -> None:
        """Count a chunk of ``size`` bytes. Raises ``LimitExceeded``; nothing is counted then.

        A mark that closes a stream needs room for a new stream only: one that is full must still have an end.
        """
        with self._lock:
            used = self._of(run_id)
            if name not in used.names and len(used.names) >= self._limits.streams_per_run_max:
                raise LimitExceeded(
                    "SR-STREAM-008",
                    f"run {run_id} has {len(used.names)} streams, as many as it may",
                    fix="write to one that is there, or raise limits.streams_per_run_max",
                    size=len(used.names) + 1,
                    limit=self._limits.streams_per_run_max,
                    setting="limits.streams_per_run_max",
                )
            if not is_mark:
                self._check_room(run_id, used, size)
            used.names.add(name)
            used.chunks += 1
            used.size += size

    def give_back(self, run_id: str, size: int) -> None:
        """What was taken is not written: it stands there already, or was refused."""
        with self._lock:
            used = self._used.get(run_id)
            if used is not None:
                used.chunks -= 1
                used.size -= size

    def forget(self, run_id: str) -> None:
        """Only the disk knows what of it was written."""
        with self._lock:
            self._used.pop(run_id, None)

    def _check_room(self, run_id: str, used: _Used, size: int) -> None:
        limits = self._limits
        if used.chunks >= limits.stream_chunks_per_run_max:
            raise LimitExceeded(
                "SR-STREAM-009",
                f"the streams of run {run_id} have {used.chunks} chunks, as many as they may",
                fix="write larger chunks, or raise limits.stream_chunks_per_run_max",
                size=used.chunks + 1,
                limit=limits.stream_chunks_per_run_max,
                setting="limits.stream_chunks_per_run_max",
            )
        if used.size + size > limits.stream_bytes_per_run_max:
            raise LimitExceeded(
                "SR-STREAM-010",
                f"the streams of run {run_id} would have {used.size + size} bytes, more than"
                f" {limits.stream_bytes_per_run_max}",
                fix="write less in one run, or raise limits.stream_bytes_per_run_max",
                size=used.size + size,
                limit=limits.stream_bytes_per_run_max,
                setting="limits.stream_bytes_per_run_max",
            )

    def _of(self, run_id: str) -> _Used:
        used = self._used.get(run_id)
        if used is None:
            rows = self._database.read(lambda c: stream_chunks.streams(c, run_id, limit=ALL))
            number = sum(row.chunks for row in rows)
            size = sum(row.sealed_bytes for row in rows) - number * OVERHEAD_BYTES
            used = self._used[run_id] = _Used({row.name for row in rows}, number, size)
            if len(self._used) > RUNS_KEPT_MAX:
                self._used.popitem(last=False)
        self._used.move_to_end(run_id)
        return used
