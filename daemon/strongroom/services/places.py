"""How many calls may hold a thread of the server at once, so that those that do not wait always find one."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import grpc

from strongroom.engine.auditing import CALLER
from strongroom.errors import Exhausted, Unavailable

__all__ = [
    "REGISTERING_MAX",
    "STREAMS_MAX",
    "WAITING_MAX",
    "Places",
    "registering",
    "streaming",
    "time_left_s",
    "waiting",
]

WAITING_MAX: Final = 220
"""Calls that wait for a run at once; with the streams they leave a sixth of the server's threads free."""
MARGIN_S: Final = 0.05
"""Left of a caller's deadline for the answer to travel."""
STREAMS_MAX: Final = 40
"""Streams at once: each holds a thread and a few events for as long as its client likes."""
TAKEN_PER_FREE: Final = 4
"""A caller has less than so many times what is free: alone he has four fifths, and a newcomer always finds some."""
REGISTERING_MAX: Final = 5
"""Registrations at once, each with a module as it came and as it is, compiled one after the other."""
RETRY_MS: Final = 1_000


class Places:
    """A number of places, for ``what``."""

    def __init__(self, places_max: int, what: str, instead: str) -> None:
        self._places_max = places_max
        self._what = what
        self._instead = instead
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()

    def take(self) -> Callable[[], None]:
        """Takes a place for whoever calls and returns what gives it back, once. Raises ``Unavailable`` when none is
        left, and ``Exhausted`` when those that are left are for other callers."""
        caller = CALLER.get()
        with self._lock:
            free = self._places_max - self._held.total()
            if not free:
                raise Unavailable(
                    "SR-API-007",
                    f"{self._places_max} {self._what} already",
                    why="the rest of the threads is kept for calls that do not wait",
                    fix=self._instead,
                    limit=self._places_max,
                    retry_ms=RETRY_MS,
                )
            held = self._held[caller]
            if held >= TAKEN_PER_FREE * free:
                raise Exhausted(
                    "SR-LIMIT-004",
                    f"{held} {self._what} already, all of them of {caller or 'one caller'}",
                    why=f"the {free} that are left are kept for other callers",
                    fix=self._instead,
                    size=held + 1,
                    limit=held,
                    setting="calls of one caller",
                    retry_ms=RETRY_MS,
                )
            self._held[caller] += 1
        return partial(self._give_back, caller)

    def _give_back(self, caller: str) -> None:
        with self._lock:
            self._held[caller] -= 1
            if not self._held[caller]:
                del self._held[caller]

    @contextmanager
    def taken(self) -> Iterator[None]:
        """A place until the block ends. Raises as ``take`` does."""
        give_back = self.take()
        try:
            yield
        finally:
            give_back()


def waiting() -> Places:
    """The places of calls that wait for a run."""
    return Places(WAITING_MAX, "calls wait for runs", "start the run and ask for it later, or try again in a moment")


def registering() -> Places:
    """The places of registrations, of each of which a whole module is in memory."""
    return Places(REGISTERING_MAX, "workflows are being registered", "try again in a moment")


def streaming() -> Places:
    """The places of calls whose answer is a stream."""
    return Places(STREAMS_MAX, "streams are open", "close one, or try again in a moment")


def time_left_s(context: grpc.ServicerContext) -> float:
    """What is left of the caller's deadline, less what the answer needs to travel."""
    left = context.time_remaining()
    return max((left or 0) - MARGIN_S, 0)
