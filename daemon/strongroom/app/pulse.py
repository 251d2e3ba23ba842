"""The pulse of a host: it says that it lives, and holds on to its database, every few seconds."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Final

from strongroom.telemetry import logs

__all__ = ["Pulse"]

EVERY_S: Final = 10.0
"""What a run uses of its time within the last interval before a crash is not charged; an idle disk is left alone."""
log = logs.get("app")


class Pulse:
    """Does ``beats`` one after the other, again and again, from ``start`` to ``close``."""

    def __init__(
        self, beats: Sequence[Callable[[], None]], *, every_s: float = EVERY_S, is_at_once: bool = False
    ) -> None:
        """``is_at_once``: the first beat does not wait."""
        self._beats = beats
        self._every_s = every_s
        self._first_s = 0.0 if is_at_once else every_s
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """Beat from now on."""
        self._thread.start()

    def close(self, *, waits: bool = True) -> None:
        """Beat no more; a beat that is under way ends first, if that is waited for."""
        self._closed.set()
        if not waits:
            return
        with contextlib.suppress(RuntimeError):  # it was never started
            self._thread.join()

    def _run(self) -> None:
        wait_s = self._first_s
        while not self._closed.wait(wait_s):
            wait_s = self._every_s
            for beat in self._beats:
                try:
                    beat()
                except Exception:
                    # The last line of defence: one beat that fails must not be the last of a host that goes on.
                    log.exception("a beat of the pulse failed")
