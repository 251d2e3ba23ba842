"""Threads that run the methods of one in-process plugin, so that a method that never returns holds no caller."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

__all__ = ["Workers"]

T = TypeVar("T")


class _Job(Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        self.work = work
        self.future: Future[T] = Future()

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self.work())
        except BaseException as raised:
            self.future.set_exception(raised)


class Workers:
    """At most ``threads_max`` threads, made when needed. They are daemons: a stuck plugin never keeps the host."""

    def __init__(self, name: str, threads_max: int) -> None:
        self._name = name
        self._threads_max = threads_max
        self._jobs: queue.SimpleQueue[_Job[object] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Run ``work`` on one of the threads."""
        job = _Job(work)
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            elif self._threads < self._threads_max:
                self._threads += 1
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
        self._jobs.put(job)  # type: ignore[arg-type]  # the queue holds jobs of every result
        return job.future

    def close(self) -> None:
        """Let the threads end once they are idle."""
        with self._lock:
            threads = self._threads
        for _ in range(threads):
            self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            with self._lock:
                self._idle += 1
