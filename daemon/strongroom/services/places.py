"""How many calls may hold a thread of the server at once, so that those that do not wait always find one."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import grpc

from strongroom.errors import Unavailable

__all__ = ["STREAMS_MAX", "WAITING_MAX", "Places", "streaming", "time_left_s", "waiting"]

WAITING_MAX: Final = 176
"""Calls that wait for a run at once; with the streams they leave a fifth of the server's threads free."""
MARGIN_S: Final = 0.05
"""Left of a caller's deadline for the answer to travel."""
STREAMS_MAX: Final = 32
"""Streams at once: each holds a thread and a few events for as long as its client likes."""


class Places:
    """A number of places, for ``what``."""

    def __init__(self, places_max: int, what: str, instead: str) -> None:
        self._places_max = places_max
        self._what = what
        self._instead = instead
        self._free = threading.BoundedSemaphore(places_max)

    def take(self) -> Callable[[], None]:
        """Takes a place and returns what gives it back. Raises ``Unavailable`` when none is left."""
        if not self._free.acquire(blocking=False):
            raise Unavailable(
                "SR-API-007",
                f"{self._places_max} {self._what} already",
                why="the rest of the threads is kept for calls that do not wait",
                fix=self._instead,
                limit=self._places_max,
                retry_ms=1000,
            )
        return self._free.release

    @contextmanager
    def taken(self) -> Iterator[None]:
        """A place until the block ends. Raises ``Unavailable`` when none is left."""
        give_back = self.take()
        try:
            yield
        finally:
            give_back()


def waiting() -> Places:
    """The places of calls that wait for a run."""
    return Places(WAITING_MAX, "calls wait for runs", "start the run and ask for it later, or try again in a moment")


def streaming() -> Places:
    """The places of calls whose answer is a stream."""
    return Places(STREAMS_MAX, "streams are open", "close one, or try again in a moment")


def time_left_s(context: grpc.ServicerContext) -> float:
    """What is left of the caller's deadline, less what the answer needs to travel."""
    left = context.time_remaining()
    return max((left or 0) - MARGIN_S, 0)
