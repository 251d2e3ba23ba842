"""A bounded number of threads for calls that block.

Unlike an executor of the standard library, it does not keep the process alive for a call that hangs, and it starts a
thread only when none is idle.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["Workers"]

IDLE_S: Final = 30.0
"""A thread without work ends after this long."""


class Workers:
    """At most ``threads_max`` threads; further jobs wait their turn. A job must not raise."""

    def __init__(self, threads_max: int, *, name: str) -> None:
        self._threads_max = threads_max
        self._name = name
        self._changed = threading.Condition()
        self._jobs: deque[Callable[[], None]] = deque()
        self._threads = 0
        self._idle = 0
        self._closed = False

    def submit(self, job: Callable[[], None]) -> None:
        """Run ``job`` on a thread. After ``close`` it is dropped."""
        with self._changed:
            if self._closed:
                return
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._changed.notify()
                return
            if self._threads >= self._threads_max:
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
                job = self._next()
                if job is None:
                    self._threads -= 1
                    return
            job()

    def _next(self) -> Callable[[], None] | None:
        """The next job, or ``None`` when this thread is not needed any more. The lock is held."""
        while not self._jobs:
            if self._closed:
                return None
            self._idle += 1
            told = self._changed.wait(IDLE_S)
            self._idle -= 1
            if not told and not self._jobs:
                return None
        return self._jobs.popleft()
