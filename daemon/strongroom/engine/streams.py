"""Tells whoever watches a run that its journal has grown.

A watch is rung after events are on disk, by the thread that wrote them, and says only that there is something to read:
what is sent comes from the journal, so nothing is kept here for a watcher that is slow. Events that another host wrote
ring nobody; a watcher therefore looks by itself once in a while.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["LOOK_S", "Streams", "Watch"]

LOOK_S: Final = 1.0
"""How late a watcher learns of what another host wrote."""


class Watch:
    """One watcher of one run."""

    def __init__(self) -> None:
        self._news = threading.Event()
        self.closed = False
        """True once nobody wants to know any more."""

    def ring(self) -> None:
        """There may be new events."""
        self._news.set()

    def close(self) -> None:
        """End the wait of whoever holds this, now and later."""
        self.closed = True
        self._news.set()

    def seen(self) -> None:
        """What is on disk is about to be read; only what comes later is news."""
        if not self.closed:
            self._news.clear()
        if self.closed:
            # Closed between the two: the wait must not go on.
            self._news.set()

    def wait(self) -> None:
        """Return when there is news, when it is closed, or after ``LOOK_S``."""
        self._news.wait(LOOK_S)


class Streams:
    """The watches of all runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches: dict[str, tuple[Watch, ...]] = {}

    def __len__(self) -> int:
        """Runs that are watched."""
        return len(self._watches)

    @contextmanager
    def watch(self, run_id: str) -> Iterator[Watch]:
        """A watch that is rung for ``run_id`` until the block ends. Events from before are for the watcher to read."""
        watch = Watch()
        with self._lock:
            self._watches[run_id] = (*self._watches.get(run_id, ()), watch)
        try:
            yield watch
        finally:
            with self._lock:
                left = tuple(each for each in self._watches[run_id] if each is not watch)
                if left:
                    self._watches[run_id] = left
                else:
                    del self._watches[run_id]

    def ring(self, run_id: str) -> None:
        """The journal of ``run_id`` has grown. Costs one look into a dictionary when nobody watches."""
        for watch in self._watches.get(run_id, ()):
            watch.ring()
