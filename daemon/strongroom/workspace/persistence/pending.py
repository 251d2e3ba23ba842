"""Updates of a document that are not on disk yet: bounded, and never lost while the document lives.

A disk that is full leaves them here. When they grow beyond the limit they are dropped for one mark: the next write then
takes the whole state of the document, which has all of them.
"""

import threading
from typing import Final

__all__ = ["PENDING_BYTES_MAX", "Pending"]

PENDING_BYTES_MAX: Final = 64 * 2**20
"""Beyond what a workspace usually weighs, its whole state is the smaller thing to write."""


class Pending:
    """The updates in order. Every method may be called from any thread and waits for nobody."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._updates: list[bytes] = []
        self._bytes = 0
        self._whole = False
        self.arrived = threading.Event()

    def __len__(self) -> int:
        """How many writes wait, at least."""
        return len(self._updates) + self._whole

    @property
    def is_whole(self) -> bool:
        """Whether the whole state is to be written."""
        return self._whole

    def add(self, update_v1: bytes) -> None:
        """Let ``update_v1`` wait."""
        with self._lock:
            if not self._whole:
                self._updates.append(update_v1)
                self._bytes += len(update_v1)
                self._bound()
        self.arrived.set()

    def take(self) -> tuple[list[bytes], bool]:
        """Everything that waits, and whether the whole state is to be written; nothing waits after that."""
        with self._lock:
            taken = self._updates, self._whole
            self._updates, self._bytes, self._whole = [], 0, False
            self.arrived.clear()
        return taken

    def put_back(self, updates: list[bytes], *, whole: bool) -> None:
        """Let what was taken wait again, before what came since."""
        with self._lock:
            self._whole = self._whole or whole
            self._updates[:0] = updates
            self._bytes += sum(map(len, updates))
            self._bound()
        self.arrived.set()

    def _bound(self) -> None:
        if self._whole or self._bytes > PENDING_BYTES_MAX:
            self._updates, self._bytes, self._whole = [], 0, True
