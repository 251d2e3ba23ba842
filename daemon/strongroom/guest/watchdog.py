"""The last word on how long a runner may work: it is killed when its time is up, whatever any other thread does.

A thread that talks to a runner may hang in it, so the end of a run must not depend on such a thread.
"""

import math
import threading
import time

from strongroom.guest.runner_process import RunnerProcess

__all__ = ["Watch", "Watchdog"]


class Watch:
    """One time of work of a runner, which may work again later."""

    __slots__ = ("end_s", "runner")

    def __init__(self, runner: RunnerProcess, end_s: float) -> None:
        self.runner = runner
        self.end_s = end_s


class Watchdog:
    """One thread for all runners of a pool. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: set[Watch] = set()
        self._wakes_s = math.inf
        self._thread: threading.Thread | None = None
        self._closed = False

    def watch(self, runner: RunnerProcess, end_s: float) -> Watch:
        """Kill ``runner`` at ``end_s`` of the monotonic clock, unless it is left alone before."""
        watch = Watch(runner, end_s)
        with self._changed:
            self._watched.add(watch)
            self._hurry(end_s)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="runner-watchdog", daemon=True)
                self._thread.start()
        return watch

    def shorten(self, watch: Watch, end_s: float) -> None:
        """Kill at ``end_s`` instead, if that is earlier and the runner is not left alone already."""
        with self._changed:
            if watch in self._watched and end_s < watch.end_s:
                watch.end_s = end_s
                self._hurry(end_s)

    def leave(self, watch: Watch) -> None:
        """Leave the runner alone: once this returns, it is not killed from here."""
        with self._changed:
            self._watched.discard(watch)

    def close(self) -> None:
        """Watch nothing any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _hurry(self, end_s: float) -> None:
        if end_s < self._wakes_s:
            self._changed.notify_all()

    def _serve(self) -> None:
        with self._changed:
            while not self._closed:
                now_s = time.monotonic()
                for watch in [watch for watch in self._watched if watch.end_s <= now_s]:
                    self._watched.discard(watch)
                    watch.runner.kill()
                self._wakes_s = min((watch.end_s for watch in self._watched), default=math.inf)
                # Without a runner to watch it sleeps until there is one.
                idle = self._wakes_s == math.inf
                self._changed.wait(None if idle else min(self._wakes_s - now_s, threading.TIMEOUT_MAX))
