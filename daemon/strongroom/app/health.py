"""How a host is, for probes: one state, and the checks that it is made of.

Rule 1: a check asks for nothing that costs: who probes every second is no load.
Rule 2: what is said here is names, states and codes; the texts of errors are for ``status``, whose reader is known.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from strongroom.app.beat import Beat
from strongroom.app.build import Parts
from strongroom.app.condition import Condition
from strongroom.services.probes import Check, Verdict
from strongroom.storage import meta
from strongroom.telemetry import logs

__all__ = ["HostHealth"]

FRESH_S: Final = 1.0
"""How long a verdict is used."""
DATABASE_S: Final = 1.5
"""How long the database may take for one row of a small table."""
ASKED: Final = "deployment_id"
log = logs.get("app")


class HostHealth:
    """Looks at the parts that it is given by ``watch``; before that the host starts. ``state`` is the host's own."""

    def __init__(self, state: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._state = state
        self._clock = clock
        self._parts: Parts | None = None
        self._condition: Condition | None = None
        self._beat: Beat | None = None
        self._looking = threading.Lock()
        self._until_s = float("-inf")
        self._found: tuple[Check, ...] = ()
        self._asked: Future[None] | None = None

    def watch(self, parts: Parts, condition: Condition, beat: Beat) -> None:
        """Look at these from now on."""
        self._parts, self._condition, self._beat = parts, condition, beat

    def is_alive(self) -> bool:
        """Whether its work goes round, or is not meant to yet."""
        return self._beat is None or not self._beat.is_wedged

    def verdict(self) -> Verdict:
        """How the host is, as it was found now or within the last second."""
        state = self._state()
        if not self.is_alive():
            return Verdict("wedged", [Check("work loop", False, "it does not move", "restart the host", "wedged")])
        if state == "starting" or self._parts is None or self._condition is None:
            return Verdict("starting", [])
        if state in {"draining", "stopped"}:
            return Verdict("draining", [])
        return Verdict.of(self._checks(self._parts, self._condition))

    def _checks(self, parts: Parts, condition: Condition) -> Sequence[Check]:
        with self._looking:
            if self._clock() >= self._until_s:
                self._found = (Check("work loop", True), self._database(parts), *condition.checks())
                self._until_s = self._clock() + FRESH_S
            return self._found

    def _database(self, parts: Parts) -> Check:
        if self._asked is None or self._asked.done():
            asked: Future[None] = Future()
            self._asked = asked
            threading.Thread(target=_ask, args=(parts, asked), name="health", daemon=True).start()
        try:
            self._asked.result(DATABASE_S)
        except TimeoutError:
            return _unavailable(f"it has not answered for {DATABASE_S:g} s")
        except Exception as error:
            # Whatever it is, a database that was asked for a row and gave none is not well.
            return _unavailable(getattr(error, "code", type(error).__name__))
        return Check("database", True)


def _unavailable(why: str) -> Check:
    return Check("database", False, why, "see that it runs and has room; the host goes on by itself", "unavailable")


def _ask(parts: Parts, asked: "Future[None]") -> None:
    try:
        parts.database.read(lambda connection: meta.get(connection, ASKED))
    except BaseException as error:  # it belongs to whoever waits
        asked.set_exception(error)
    else:
        asked.set_result(None)
