"""A bounded number of threads for calls that block.

Unlike an executor of the standard library, it does not keep the process alive for a call that hangs, and it starts a
thread only when none is idle. Kinds of jobs take turns, and none takes more than a few times what it leaves free, so
that jobs that hang never keep those of another kind waiting. Jobs without a kind may have every thread.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

__all__ = ["Workers"]

IDLE_S: Final = 30.0
"""A thread without work ends after this long."""

TAKEN_PER_FREE: Final = 3
"""A kind runs fewer jobs than so many for each thread that is free: alone it has three quarters of them, the next one
three quarters of the rest, and a newcomer always finds one."""


class Workers:
    """At most ``threads_max`` threads; further jobs wait their turn. A job must not raise."""

    def __init__(self, threads_max: int, *, name: str, kind_max: Callable[[str], int] | None = None) -> None:
        """``kind_max`` says how many jobs of a kind run at once, whatever is free; it must not block."""
        self._threads_max = threads_max
        self._kind_max = kind_max
        self._name = name
        self._changed = threading.Condition()
        self._jobs: dict[str, deque[Callable[[], None]]] = {}  # whose turn is next is first
        self._running: Counter[str] = Counter()
        self._taken = 0
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

    def close(self, *, drop: bool = True) -> None:
        """Take nothing more, and end the threads that are idle; without ``drop`` what waits is still done."""
        with self._changed:
            self._closed = True
            if drop:
                self._jobs.clear()
                self._waiting = 0
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
                self._taken -= 1
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
        self._taken += 1
        self._running[kind] += 1
        return kind, job

    def _may_run(self, kind: str) -> bool:
        if not kind:
            return True
        running = self._running[kind]
        is_below = self._kind_max is None or running < self._kind_max(kind)
        return is_below and running < TAKEN_PER_FREE * (self._threads_max - self._taken)
