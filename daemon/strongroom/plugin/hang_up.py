"""Lets whoever began a call end it before its answer is there.

Between the two are layers that need not know of this: the thread that makes the call has a ``HangUp`` about it
(``during``), and the layer in which it waits says how that wait is ended (``ended_by``).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from strongroom.errors import CapabilityError

__all__ = ["HangUp", "current", "ended_by", "hung_up"]


class HangUp:
    """The end of one call from the caller's side. ``set`` may come from any thread, also before the call is sent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: list[Callable[[], object]] = []
        self.is_set = False

    def set(self) -> None:
        """End every wait of the call, now and from now on."""
        with self._lock:
            self.is_set = True
            ends, self._ends = self._ends, []
        for end in ends:
            end()

    @contextmanager
    def during(self) -> Iterator[None]:
        """What this thread calls inside of the block is ended by ``set``."""
        before, _HERE.hang_up = current(), self
        try:
            yield
        finally:
            _HERE.hang_up = before

    @contextmanager
    def ends_with(self, end: Callable[[], object]) -> Iterator[None]:
        """Have ``end`` called by ``set`` inside of the block, or at once when that was before."""
        with self._lock:
            too_late = self.is_set
            if not too_late:
                self._ends.append(end)
        if too_late:
            end()
        try:
            yield
        finally:
            with self._lock:
                if end in self._ends:
                    self._ends.remove(end)


class _Here(threading.local):
    hang_up: HangUp | None = None


_HERE = _Here()


def current() -> HangUp | None:
    """That of the call that this thread makes, if it has one."""
    return _HERE.hang_up


@contextmanager
def ended_by(end: Callable[[], object]) -> Iterator[None]:
    """Have ``end`` called when the call that this thread makes is hung up inside of the block, or was before it."""
    hang_up = current()
    if hang_up is None:
        yield
        return
    with hang_up.ends_with(end):
        yield


def hung_up() -> CapabilityError | None:
    """The error of the call that this thread makes when nobody waits for its answer any more."""
    hang_up = current()
    if hang_up is None or not hang_up.is_set:
        return None
    return CapabilityError("Public", "System", "Canceled", "nobody waits for the answer any more")
