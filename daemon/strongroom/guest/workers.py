"""A bounded number of threads for calls that block.

Unlike an executor of the standard library, it does not keep the process alive for a call that hangs, and it starts a
thread only when none is idle.
"""

import queue
import threading
from collections.abc import Callable

__all__ = ["Workers"]

IDLE_S = 30.0
"""A thread without work ends after this long."""


class Workers:
    """At most ``threads_max`` threads; further jobs wait their turn. A job must not raise."""

    def __init__(self, threads_max: int, *, name: str) -> None:
        self._threads_max = threads_max
        self._name = name
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads = 0
        self._idle = 0
        self._closed = False

    def submit(self, job: Callable[[], None]) -> None:
        """Run ``job`` on a thread. After ``close`` it is dropped."""
        with self._lock:
            if self._closed:
                return
            self._jobs.put(job)
            if self._idle > 0:
                self._idle -= 1
                return
            if self._threads >= self._threads_max:
                return
            self._threads += 1
        threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def close(self) -> None:
        """Start nothing more, and end the threads that are idle."""
        with self._lock:
            self._closed = True
            waiting = self._threads
        for _ in range(waiting):
            self._jobs.put(None)

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                job = self._next()
            if job is None:
                with self._lock:
                    self._threads -= 1
                return
            job()

    def _next(self) -> Callable[[], None] | None:
        """Wait as an idle thread. ``submit`` takes one off the count for each job it queues."""
        with self._lock:
            self._idle += 1
        try:
            return self._jobs.get(timeout=IDLE_S)
        except queue.Empty:
            with self._lock:
                if self._idle > 0:
                    self._idle -= 1
                    return None
            # A job was promised to an idle thread just now, and this is the one.
            return self._jobs.get()
