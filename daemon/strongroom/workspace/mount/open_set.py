"""``OpenSet``: which mounts are open now, and why the others are not. Looking waits for nobody who opens or closes."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from strongroom.errors import StrongroomError
from strongroom.workspace.mount.known import Known
from strongroom.workspace.mount.opened import OpenedMount

__all__ = ["OpenSet"]

RETRY_PAUSE_S: Final = 1.0
"""A mount that failed is tried again when somebody asks for it, and not at every question of a loop."""


class OpenSet:
    """Mounts by name. Safe for any thread."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        """Nothing is open, and nothing failed."""
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._open: dict[str, OpenedMount] = {}
        self._failed: dict[str, tuple[StrongroomError, float]] = {}

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def get(self, name: str) -> OpenedMount | None:
        """One that is open."""
        with self._lock:
            return self._open.get(name)

    def all(self) -> list[OpenedMount]:
        """Those that are open, by name."""
        with self._lock:
            return [self._open[name] for name in sorted(self._open)]

    def has(self, known: Known) -> bool:
        """Whether exactly that mount is open, and not one of its name from elsewhere, or of another owner."""
        opened = self.get(known.name)
        return (
            opened is not None
            and known.mounted
            and (opened.project_dir, opened.owner_id) == (known.project_dir, known.owner_id)
        )

    def add(self, mounts: Iterable[OpenedMount]) -> None:
        """They are open now."""
        with self._lock:
            for opened in mounts:
                self._open[opened.name] = opened
                self._failed.pop(opened.name, None)

    def pop(self, name: str) -> OpenedMount | None:
        """It is not open any more, and did not fail either."""
        with self._lock:
            self._failed.pop(name, None)
            return self._open.pop(name, None)

    def pop_all(self) -> list[OpenedMount]:
        """None is open any more."""
        with self._lock:
            mounts, self._open = list(self._open.values()), {}
            return mounts

    def fail(self, name: str, error: StrongroomError) -> None:
        """It was not opened."""
        with self._lock:
            self._failed[name] = (error, self._monotonic_s())

    def failure(self, name: str) -> StrongroomError | None:
        """Why it was not opened the last time."""
        with self._lock:
            return self._failed[name][0] if name in self._failed else None

    def may_retry(self, name: str) -> bool:
        """Whether it is not open, and the last failure is a while ago."""
        with self._lock:
            at_s = self._failed[name][1] if name in self._failed else None
            return name not in self._open and (at_s is None or self._monotonic_s() - at_s >= RETRY_PAUSE_S)
