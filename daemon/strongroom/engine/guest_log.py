"""Lines that a guest logs, gathered into events of its journal.

They wait for the next append and share its commit, so a line costs no flush of the disk by itself. Lines that the
journal has from an execution before are not written again; a guest that was dropped writes them anew, in order.
"""

import threading
import time
from collections.abc import Mapping
from typing import Final

from strongroom.engine.event_types import LOG_WRITTEN
from strongroom.engine.run_journal import RunJournal
from strongroom.pb.strongroom.journal.v1 import journal_pb2

__all__ = ["GuestLog"]

LINES_MAX: Final = 64
BYTES_MAX: Final = 64_000
"""An event of the journal is read, sealed and sent as a whole, so it stays small."""


class GuestLog:
    """The log of one phase of one execution. ``written`` says how many lines of each mode the journal has already."""

    def __init__(self, journal: RunJournal, phase: str, written: Mapping[int, int]) -> None:
        self._journal = journal
        self._phase = phase
        self._skip = dict(written)
        self._lock = threading.Lock()
        self._lines = journal_pb2.LogWritten()
        self._bytes = 0

    def write(self, mode: int, line: str) -> None:
        """Take a line. Raises ``StorageFault`` when the journal takes nothing."""
        with self._lock:
            if self._skip.get(mode, 0) > 0:
                self._skip[mode] -= 1
                return
            self._lines.lines.add(mode=mode, line=line, unix_ns=time.time_ns())
            self._bytes += len(line)
            if len(self._lines.lines) >= LINES_MAX or self._bytes >= BYTES_MAX:
                self._flush()

    def flush(self) -> None:
        """Hand over what was gathered. Raises ``StorageFault``, and ``WrongState`` once the run has ended."""
        if self._lines.lines:
            with self._lock:
                self._flush()

    def _flush(self) -> None:
        if not self._lines.lines:
            return
        content = self._lines.SerializeToString()
        self._lines = journal_pb2.LogWritten()
        self._bytes = 0
        self._journal.note(LOG_WRITTEN, self._phase, content, may_wait=True)
