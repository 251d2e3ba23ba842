"""Whether the work of this host goes round: a beat that takes the way of a run and comes back.

It takes the lock under which runs change their places, is done by a worker of each module, and by the thread that
writes the database. Where one of them is wedged it does not come back, whatever other threads still do.

Workers that are all busy are not wedged: the beat waits in their queue, and they count as living for as long as one run
may take. An answer of the database that is an error is an answer.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Final

from strongroom.engine.running import Dispatcher
from strongroom.engine.workers import Workers
from strongroom.errors import Unavailable
from strongroom.storage.database import Database

__all__ = ["WorkLoop"]

LOOK_S: Final = 0.5
"""How soon it is seen that nobody waits for a beat any more, or that workers are busy."""
CLOSED: Final = "SR-STORE-006"


class WorkLoop:
    """The work of one host. ``busy_s`` is how long workers may take none and end none before they count as wedged."""

    def __init__(self, dispatcher: Dispatcher, database: Database, *, busy_s: float) -> None:
        self._dispatcher = dispatcher
        self._database = database
        self._busy_s = busy_s

    def go_round(self, given_up: Callable[[], bool]) -> bool:
        """Wait for one beat. False when it was ``given_up``, or the host closes."""
        # Whoever holds the lock of the dispatcher for good holds this up.
        _ = "" in self._dispatcher
        asked: list[tuple[Workers, Future[None]]] = []
        try:
            asked = [(each, each.submit(_nothing)) for each in self._dispatcher.workers]
            written = self._written(given_up)
            while written is not None and not given_up():
                still_out = wait([written, *(beat for _, beat in asked)], LOOK_S).not_done
                if not still_out - {beat for each, beat in asked if self._is_busy(each)}:
                    return True
        except RuntimeError:
            # The workers take nothing more: the host closes.
            return False
        finally:
            for _, beat in asked:
                beat.cancel()
        return False

    def _is_busy(self, workers: Workers) -> bool:
        return time.monotonic() - workers.moved_s < self._busy_s

    def _written(self, given_up: Callable[[], bool]) -> Future[None] | None:
        """The beat of the database, once its queue has room; nothing when it was given up or is closed."""
        pause = threading.Event()
        while not given_up():
            try:
                return self._database.write(_nothing)
            except Unavailable as error:
                if error.code == CLOSED:
                    return None
                pause.wait(LOOK_S)
        return None


def _nothing(_connection: object = None) -> None:
    """What a beat does on its way."""
