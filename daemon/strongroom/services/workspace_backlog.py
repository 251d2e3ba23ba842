"""Changes of a workspace that wait for one client that watches, bounded by number and by size."""

import queue
import threading
from typing import Final

from strongroom.errors import Unavailable
from strongroom.plugin.workspace_access import WorkspaceChange

__all__ = ["CHANGES_MAX", "CHANGE_BYTES_MAX", "Backlog"]

CHANGES_MAX: Final = 10_000
"""Changes that wait for one client; one that is further behind is told so."""
CHANGE_BYTES_MAX: Final = 16_000_000
"""Bytes of values that wait for one client: every stream of a host may hold as much."""


class Backlog:
    """What one watch has heard and not yet sent. Heard from with the document's lock held, so it never waits there."""

    def __init__(self, changes_max: int = CHANGES_MAX, bytes_max: int = CHANGE_BYTES_MAX) -> None:
        self._changes_max = changes_max
        self._bytes_max = bytes_max
        self._waiting: queue.SimpleQueue[WorkspaceChange] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._bytes = 0
        self._overrun = False

    def hear(self, change: WorkspaceChange) -> None:
        """Keep ``change``, unless that is more than a client may be behind: then this ends with the next look."""
        size = _size(change)
        with self._lock:
            behind = self._waiting.qsize() >= self._changes_max or self._bytes + size > self._bytes_max
            self._overrun = self._overrun or behind
            if self._overrun:
                return
            self._bytes += size
        self._waiting.put(change)

    def next(self, timeout_s: float) -> WorkspaceChange | None:
        """The oldest change, or ``None`` when none comes in time. Raises ``Unavailable`` once one was left out."""
        if self._overrun:
            raise Unavailable(
                "SR-API-021",
                "this watch is too many changes behind",
                why=f"its client reads more slowly than the workspace changes, and {self._changes_max} changes or "
                f"{self._bytes_max} bytes may wait for it",
                fix="list the entries, then watch again",
                limit=self._changes_max,
            )
        try:
            change = self._waiting.get(timeout=timeout_s) if timeout_s else self._waiting.get_nowait()
        except queue.Empty:
            return None
        with self._lock:
            self._bytes -= _size(change)
        return change


def _size(change: WorkspaceChange) -> int:
    return len(change.json or b"") + len(change.key) + len(change.unreadable)
