"""Wakes runs when their time has come: one thread and one heap for all of them, and nothing else per run."""

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["Alarms"]

FULL_S: Final = 0.005
"""How soon it is looked again whether there is room for a run that is due."""
DUE_MAX: Final = 500
"""Alarms that are taken out of the heap at once."""
STALE_MIN: Final = 10_000
"""Below this many entries it is not worth looking for stale ones."""


class Alarms:
    """Calls ``wake`` with run id and token when an alarm is due, while ``has_room`` says that one more may be woken of
    the run's owner, which ``owner_of`` knows; those of others do not wait for that. Nobody's are not woken any more.

    An alarm is not taken back: its token is stale by then, which ``wake`` and ``is_live`` know.
    """

    def __init__(
        self,
        name: str,
        wake: Callable[[str, int], None],
        *,
        owner_of: Callable[[str], str | None],
        has_room: Callable[[str], bool],
        is_live: Callable[[str, int], bool],
    ) -> None:
        self._name = name
        self._wake = wake
        self._owner_of = owner_of
        self._has_room = has_room
        self._late: dict[str, deque[tuple[float, int, str]]] = {}
        self._is_live = is_live
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, str]] = []
        self._sweep_at = STALE_MIN
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        """Alarms that are set, stale ones among them."""
        return len(self._heap) + sum(map(len, list(self._late.values())))

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
            for alarm in due:
                owner = self._owner_of(alarm[2])
                if owner is not None:
                    self._late.setdefault(owner, deque()).append(alarm)
            for owner, alarms in list(self._late.items()):
                while alarms and not self._closed.is_set() and self._has_room(owner):
                    _, token, run_id = alarms.popleft()
                    self._wake(run_id, token)
                if not alarms:
                    del self._late[owner]
        self._late.clear()

    def _next(self) -> list[tuple[float, int, str]] | None:
        """The next alarms that are due, waited for while no other one is late; nothing once closed."""
        with self._changed:
            while not self._closed.is_set():
                left_s = self._heap[0][0] - time.monotonic() if self._heap else None
                if left_s is not None and left_s <= 0:
                    return self._due()
                if self._late:
                    self._changed.wait(FULL_S if left_s is None else min(left_s, FULL_S))
                    return self._due()
                self._changed.wait(left_s)
            return None

    def _due(self) -> list[tuple[float, int, str]]:
        """Some of those that are due, taken out. The lock is held."""
        now_s = time.monotonic()
        due: list[tuple[float, int, str]] = []
        while self._heap and self._heap[0][0] <= now_s and len(due) < DUE_MAX:
            due.append(heapq.heappop(self._heap))
        return due
