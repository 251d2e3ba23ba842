"""The thread of an open log: it writes what comes, in groups, and compacts when nothing comes.

Nobody waits for it: ``flush`` writes by itself. What it cannot do is told once in the log and tried again.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from strongroom.errors import StrongroomError
from strongroom.workspace.persistence.growth import QUIET_S
from strongroom.workspace.persistence.pending import Pending

__all__ = ["Background"]

GROUP_S: Final = 0.005
"""How long updates gather that nobody flushes; it is what a power cut may take."""
RETRY_S: Final = 1.0
"""How soon a disk that failed is tried again; with it, a full one has recovered well within five seconds."""
COMPACTION_RETRY_S: Final = 60.0
"""A compaction that failed is in no hurry: nothing is lost without it."""

_log = logging.getLogger("strongroom.workspace")


class Work(Protocol):
    """What the thread does."""

    def flush(self) -> None:
        """Write what waits."""

    def compact_if_due(self) -> None:
        """Compact, if that is worth it while nothing comes."""

    def compact_if_overdue(self) -> None:
        """Compact, if that cannot wait until nothing comes."""


class Background:
    """Runs until ``stop``."""

    def __init__(self, guid: str, pending: Pending, work: Work) -> None:
        self._guid = guid
        self._pending = pending
        self._work = work
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"log-{guid}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what it is doing is finished first."""
        self._stopping.set()
        self._pending.arrived.set()
        self._thread.join()

    def _run(self) -> None:
        failing = ""
        compact_after_s = 0.0
        while not self._stopping.is_set():
            if self._pending.arrived.wait(QUIET_S):
                self._stopping.wait(GROUP_S)
                failing = self._code_of("write to", self._work.flush, told=failing)
                if failing:
                    self._stopping.wait(RETRY_S)
                    continue
                compact = self._work.compact_if_overdue
            else:
                compact = self._work.compact_if_due
            if time.monotonic() >= compact_after_s and self._code_of("compact", compact):
                compact_after_s = time.monotonic() + COMPACTION_RETRY_S

    def _code_of(self, what: str, work: Callable[[], None], *, told: str = "") -> str:
        """The code of the error of ``work``, empty without one. One that was ``told`` already is not told again."""
        try:
            work()
        except Exception as fault:
            # Whatever it is: without this thread nothing would be written that nobody flushes.
            code = fault.code if isinstance(fault, StrongroomError) else type(fault).__name__
            if code != told:
                facts = {"guid": self._guid, "code": code, "why": str(fault) if code.startswith("SR-") else ""}
                _log.error("cannot %s the log of a workspace; it is tried again", what, extra=facts)
            return code
        return ""
