"""Ends guests that compute past their time, and hears a host that wants to stop one.

Epochs only count here, they do not measure: the epoch moves when the clock says that the current run is over, so a
ticker that was delayed catches up in one step. While no run executes the thread sleeps for good.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from strongroom.guest.runner.execution import TICK_S, Execution

__all__ = ["Ticker"]

LINGER_S: Final = 1.0
"""After a run the thread keeps ticking this long, so that a busy runner does not wake it for every run."""


class Ticker:
    """One thread that looks at the current run every tick. ``end_guest`` moves the engine's epoch."""

    def __init__(self, end_guest: Callable[[], None]) -> None:
        self._end_guest = end_guest
        self._lock = threading.Lock()
        self._current: Execution | None = None
        self._wake = threading.Event()
        self._sleeping = True
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextmanager
    def watch(self, execution: Execution) -> Iterator[None]:
        """Look after ``execution`` inside the block. The thread starts with the first one, after the sandbox is up."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._tick, name="ticker", daemon=True)
            self._thread.start()
        with self._lock:
            self._current = execution
            if self._sleeping:
                self._wake.set()
        try:
            yield
        finally:
            with self._lock:
                self._current = None

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._wake.set()

    def _tick(self) -> None:
        used_s = time.monotonic()
        while not self._closed:
            with self._lock:
                execution = self._current
                self._sleeping = execution is None and time.monotonic() - used_s > LINGER_S
                if self._sleeping:
                    self._wake.clear()
            if self._sleeping:
                self._wake.wait()
                used_s = time.monotonic()
                continue
            time.sleep(TICK_S)
            if execution is not None:
                used_s = time.monotonic()
                with self._lock:
                    # Under the lock: after this run's end, what arrives is not its own, and an epoch that moved then
                    # would end the next run.
                    if self._current is execution:
                        execution.host.poll(execution)
                        if execution.must_end():
                            self._end_guest()
