"""Wakes runs when their time has come: one thread and one heap for all of them, and nothing else per run."""

import heapq
import threading
import time
from collections.abc import Callable
from typing import Final

__all__ = ["Alarms"]

FULL_S: Final = 0.005
"""How soon it is looked again whether there is room for a run that is due."""
STALE_MIN: Final = 10_000
"""Below this many entries it is not worth looking for stale ones."""


class Alarms:
    """Calls ``wake`` with run id and token when an alarm is due, while ``has_room`` says that one more may be woken.

    An alarm is not taken back: its token is stale by then, which ``wake`` and ``is_live`` know.
    """

    def __init__(
        self,
        name: str,
        wake: Callable[[str, int], None],
        *,
        has_room: Callable[[], bool],
        is_live: Callable[[str, int], bool],
    ) -> None:
        self._name = name
        self._wake = wake
        self._has_room = has_room
        self._is_live = is_live
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, str]] = []
        self._sweep_at = STALE_MIN
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        """Alarms that are set, stale ones among them."""
        return len(self._heap)

    def set(self, run_id: str, token: int, due_s: float) -> None:
        """Wake a run at ``due_s`` (monotonic). Equal times go off in the order of their tokens."""
        with self._changed:
            if self._closed.is_set():
                return
            if len(self._heap) >= self._sweep_at:
                self._heap = [entry for entry in self._heap if self._is_live(entry[2], entry[1])]
                heapq.heapify(self._heap)
                self._sweep_at = max(STALE_MIN, 2 * len(self._heap))
            heapq.heappush(self._heap, (due_s, token, run_id))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            if self._heap[0][1] == token:
                self._changed.notify()

    def close(self) -> None:
        """Wake nobody any more."""
        with self._changed:
            self._closed.set()
            self._heap.clear()
            self._changed.notify()

    def _run(self) -> None:
        while (due := self._next()) is not None:
            while not self._has_room():
                if self._closed.wait(FULL_S):
                    return
            self._wake(due[2], due[1])

    def _next(self) -> tuple[float, int, str] | None:
        """The next alarm that is due, waited for; nothing once closed."""
        with self._changed:
            while not self._closed.is_set():
                left_s = self._heap[0][0] - time.monotonic() if self._heap else None
                if left_s is not None and left_s <= 0:
                    return heapq.heappop(self._heap)
                self._changed.wait(left_s)
            return None
