"""Runs of which nobody knows whether they were stored: their caller was told that storing them failed.

A database that goes away in the middle of a commit may have made it. Such a run stands then, is unfinished, and is
executed once the database answers again, as it would be after a restart; until then its workflow could not be deleted.
"""

import threading
from collections.abc import Callable
from typing import Final

from strongroom.errors import StorageFault, StrongroomError, Unavailable
from strongroom.telemetry import logs

__all__ = ["Unsure"]

LOOK_S: Final = 1.0
"""How soon a database is asked again that did not answer."""
RUNS_MAX: Final = 10_000
"""A database that is away refuses as many starts as there are. Beyond this a run waits for the next start."""
log = logs.get("engine")


class Unsure:
    """Has runs taken up that stand after all, on a thread that lives for as long as there are any to look for."""

    def __init__(self, take_up: Callable[[str], None], is_over: Callable[[], bool]) -> None:
        """``take_up`` looks for a run and has it executed if it stands; ``is_over`` once this host stops."""
        self._take_up = take_up
        self._is_over = is_over
        self._lock = threading.Lock()
        self._runs: list[str] = []
        self._is_looking = False

    def note(self, run_id: str, error: BaseException) -> None:
        """Storing a run failed with ``error``: look for it once the database answers, if that leaves anything open."""
        if not isinstance(error, (StorageFault, Unavailable)):
            return
        with self._lock:
            if len(self._runs) >= RUNS_MAX:
                return
            self._runs.append(run_id)
            if not self._is_looking:
                self._is_looking = True
                threading.Thread(target=self._look, name="unsure-runs", daemon=True).start()

    def _look(self) -> None:
        pause = threading.Event()
        while not self._is_over():
            with self._lock:
                if not self._runs:
                    self._is_looking = False
                    return
                run_id = self._runs[0]
            try:
                self._take_up(run_id)
            except (StorageFault, Unavailable):
                pause.wait(LOOK_S)
                continue
            except StrongroomError as error:
                # It stands and is not authentic, so it is left alone, as at a start.
                log.error("a run is not taken up", extra={"run_id": run_id, "code": error.code})
            with self._lock:
                self._runs.pop(0)
