"""Threads that those for whom they work share: an executor whose jobs are somebody's, and are served in turn."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

from strongroom.guest.workers import Workers

__all__ = ["FairThreads"]

P = ParamSpec("P")
T = TypeVar("T")
NOBODY: Final = ""
"""Whose jobs that are nobody's are: they may have every thread, since they are the host's own."""


class FairThreads(Executor):
    """At most ``threads_max`` threads. ``most_of`` says how many of them somebody may have at once; it must not block.

    Nobody has more than three times what he leaves free, so a newcomer finds a thread whatever others do.
    """

    def __init__(self, threads_max: int, name: str, most_of: Callable[[str], int] | None = None) -> None:
        self._threads = Workers(threads_max, name=name, kind_max=most_of)
        self._lock = threading.Lock()
        self._out: set[Future[Any]] = set()  # Any: what jobs return is their callers' business
        self._is_shut = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue a job of the host itself. Raises ``RuntimeError`` after ``shutdown``."""
        return self.submit_for(NOBODY, partial(fn, *args, **kwargs))

    def submit_for(self, somebody: str, job: Callable[[], T]) -> Future[T]:
        """Queue ``job`` behind those of ``somebody``. Raises ``RuntimeError`` after ``shutdown``."""
        future: Future[T] = Future()
        with self._lock:
            if self._is_shut:
                raise RuntimeError("these threads take nothing more")
            self._out.add(future)
        self._threads.submit(partial(self._do, future, job), kind=somebody)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take nothing more. With ``cancel_futures`` give up what waits; with ``wait`` wait for what is left."""
        with self._lock:
            self._is_shut = True
            out = list(self._out)
        if cancel_futures:
            for future in out:
                if future.cancel():
                    self._forget(future)
        self._threads.close(drop=cancel_futures)
        if wait:
            _all_done(out)

    def _do(self, future: Future[T], job: Callable[[], T]) -> None:
        if not future.set_running_or_notify_cancel():
            self._forget(future)
            return
        try:
            result = job()
        except BaseException as error:  # whatever a job raises is its caller's answer
            self._forget(future)
            future.set_exception(error)
        else:
            self._forget(future)
            future.set_result(result)

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            self._out.discard(future)


def _all_done(futures: list[Future[Any]]) -> None:
    wait([future for future in futures if not future.cancelled()])
