"""Who waits for the end of which run. A run may be dropped from memory and taken up again meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from strongroom.engine.counted import Ended, uncounted
from strongroom.engine.handles import Outcome
from strongroom.storage.runs import RunRow

__all__ = ["Waiter", "Waiters"]


class Waiter:
    """The end of one run. ``header`` and ``outcome`` stand once ``done`` is set, unless the host stopped before."""

    __slots__ = ("count", "done", "header", "outcome")

    def __init__(self) -> None:
        self.count = 0
        self.done = threading.Event()
        self.header: RunRow | None = None
        self.outcome: Outcome | None = None


class Waiters:
    """The waiters of all runs. ``on_end`` is told of every run that has ended, whether somebody waits for it or not."""

    def __init__(self, on_end: Ended = uncounted) -> None:
        self._on_end = on_end
        self._lock = threading.Lock()
        self._is_left = False
        self._waiters: dict[str, Waiter] = {}

    def __contains__(self, run_id: object) -> bool:
        """Whether somebody waits for that run."""
        return run_id in self._waiters

    def __iter__(self) -> Iterator[str]:
        """The runs that somebody waits for."""
        with self._lock:
            return iter(list(self._waiters))

    def join(self, run_id: str) -> AbstractContextManager[Waiter]:
        """A waiter that is told from now on, until the block ends."""
        with self._lock:
            waiter = self._waiters.setdefault(run_id, Waiter())
            waiter.count += 1
            if self._is_left:
                waiter.done.set()
        return self._joined(run_id, waiter)

    def tell(self, run_id: str, header: RunRow | None, outcome: Outcome | None) -> None:
        """The run has ended so; without an outcome it is left to the next start of this host."""
        with self._lock:
            waiter = self._waiters.pop(run_id, None)
        if header is not None and outcome is not None:
            self._on_end(header, outcome)
        if waiter is not None:
            waiter.header, waiter.outcome = header, outcome
            waiter.done.set()

    def leave(self) -> None:
        """Nobody waits any longer, also who comes later: what has not ended goes on at the next start of this host."""
        with self._lock:
            self._is_left = True
        for run_id in self:
            self.tell(run_id, None, None)

    @contextmanager
    def _joined(self, run_id: str, waiter: Waiter) -> Iterator[Waiter]:
        try:
            yield waiter
        finally:
            with self._lock:
                waiter.count -= 1
                if waiter.count == 0 and self._waiters.get(run_id) is waiter:
                    del self._waiters[run_id]
