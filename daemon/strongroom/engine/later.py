"""Work that is due later, kept in one place and done by few threads."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Final

from strongroom.registry.workers import Workers

__all__ = ["Later"]

IDLE_S: Final = 3600.0


class Later:
    """Runs functions after a delay, on at most ``threads_max`` threads; one more looks at the clock for all of them."""

    def __init__(self, name: str, threads_max: int) -> None:
        self._workers = Workers(name, threads_max)
        self._name = name
        self._number = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._changed = threading.Condition()
        self._closed = False
        self._clock: threading.Thread | None = None

    def do(self, work: Callable[[], None], *, delay_s: float = 0.0) -> None:
        """Have ``work`` done after ``delay_s``. Once closed nothing is taken any more."""
        if delay_s <= 0:
            if not self._closed:
                self._workers.submit(work)
            return
        with self._changed:
            if self._closed:
                return
            heapq.heappush(self._due, (time.monotonic() + delay_s, next(self._number), work))
            if self._clock is None:
                self._clock = threading.Thread(target=self._tick, name=f"{self._name}-clock", daemon=True)
                self._clock.start()
            self._changed.notify()

    def close(self) -> None:
        """Forget what is not due yet."""
        with self._changed:
            self._closed = True
            self._due.clear()
            self._changed.notify()
        self._workers.close()

    def _tick(self) -> None:
        with self._changed:
            while not self._closed:
                left_s = self._due[0][0] - time.monotonic() if self._due else IDLE_S
                if left_s > 0:
                    self._changed.wait(left_s)
                else:
                    self._workers.submit(heapq.heappop(self._due)[2])
