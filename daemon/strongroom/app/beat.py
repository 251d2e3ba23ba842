"""How long ago the work of this host went round: what ``/livez`` goes by, and a number of its own."""

import threading
import time
from collections.abc import Callable
from typing import Final

from strongroom.telemetry import logs

__all__ = ["WEDGED_S", "Beat"]

EVERY_S: Final = 10.0
WEDGED_S: Final = 60.0
"""Longer than a disk or a server of the database may take for one answer, several times over."""
log = logs.get("app")


class Beat:
    """Has ``go_round`` wait for one turn of the work, again and again, from ``start`` to ``close``.

    ``clock`` counts seconds and never goes back.
    """

    def __init__(
        self,
        go_round: Callable[[Callable[[], bool]], bool],
        *,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._go_round = go_round
        self._every_s = every_s
        self._clock = clock
        self._last_s = clock()
        self._closed = threading.Event()

    def start(self) -> None:
        """Beat from now on."""
        self._last_s = self._clock()
        threading.Thread(target=self._run, name="beat", daemon=True).start()

    def close(self) -> None:
        """Beat no more, and wait for nothing."""
        self._closed.set()

    @property
    def age_s(self) -> float:
        """How long ago the last turn came back; 0 once nobody waits for one any more."""
        return 0.0 if self._closed.is_set() else max(self._clock() - self._last_s, 0.0)

    @property
    def is_wedged(self) -> bool:
        """Whether it is too long ago."""
        return self.age_s > WEDGED_S

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                came_back = self._go_round(self._closed.is_set)
            except Exception:
                # What is not known to go round is not said to.
                log.exception("the work of this host could not be looked at")
                came_back = False
            if came_back:
                self._last_s = self._clock()
            self._closed.wait(self._every_s)
