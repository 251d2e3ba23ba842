"""A bounded number of threads for calls that block.

Unlike an executor of the standard library, it does not keep the process alive for a call that hangs, and it starts a
thread only when none is idle. Kinds of jobs take turns, and one alone never takes every thread, because a workflow
whose calls hang must not keep the calls of others waiting. Jobs without a kind have the threads for themselves.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

__all__ = ["Workers"]

IDLE_S: Final = 30.0
"""A thread without work ends after this long."""

KEPT_PART: Final = 4
"""One part of so many of the threads is kept for other kinds than the one that has taken all the rest."""


class Workers:
    """At most ``threads_max`` threads; further jobs wait their turn. A job must not raise."""

    def __init__(self, threads_max: int, *, name: str) -> None:
        self._threads_max = threads_max
        self._name = name
        self._changed = threading.Condition()
        self._jobs: dict[str, deque[Callable[[], None]]] = {}  # whose turn is next is first
        self._running: Counter[str] = Counter()
        self._waiting = 0
        self._threads = 0
        self._idle = 0
        self._closed = False

    def submit(self, job: Callable[[], None], *, kind: str = "") -> None:
        """Run ``job`` on a thread. After ``close`` it is dropped."""
        with self._changed:
            if self._closed:
                return
            self._jobs.setdefault(kind, deque()).append(job)
            self._waiting += 1
            if self._idle >= self._waiting:
                self._changed.notify()
                return
            if self._threads >= self._threads_max or not self._may_run(kind):
                self._changed.notify()
                return
            self._threads += 1
        threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def close(self) -> None:
        """Start nothing more, and end the threads that are idle."""
        with self._changed:
            self._closed = True
            self._jobs.clear()
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                found = self._next()
                if found is None:
                    self._threads -= 1
                    return
            kind, job = found
            job()
            with self._changed:
                self._running[kind] -= 1
                if not self._running[kind]:
                    del self._running[kind]

    def _next(self) -> tuple[str, Callable[[], None]] | None:
        """The next job, or ``None`` when this thread is not needed any more. The lock is held."""
        while (kind := next(filter(self._may_run, self._jobs), None)) is None:
            if self._closed:
                return None
            self._idle += 1
            told = self._changed.wait(IDLE_S)
            self._idle -= 1
            if not told and not self._jobs:
                return None
        jobs = self._jobs.pop(kind)
        job = jobs.popleft()
        if jobs:
            self._jobs[kind] = jobs
        self._waiting -= 1
        self._running[kind] += 1
        return kind, job

    def _may_run(self, kind: str) -> bool:
        return not kind or self._running[kind] < self._threads_max - self._threads_max // KEPT_PART
