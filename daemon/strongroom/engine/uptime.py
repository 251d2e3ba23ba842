"""When this deployment had a host, so that runs are charged for the time that it was up and for no other.

The database knows the last sign of life, written every few seconds, and the times without a host before. A host that is
cut off loses what came after its last sign; a host that is stopped loses nothing. What a clock skips when it is set
forward, or while the machine sleeps, no host was up for.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from strongroom.engine.journal import now_ms
from strongroom.errors import StrongroomError
from strongroom.storage import meta
from strongroom.storage.database import Connection, Database

__all__ = ["Uptime"]

LAST_ALIVE: Final = "last_alive_ms"
DOWN: Final = "down_ms"
GAPS_MAX: Final = 200
"""Times without a host that are kept apart; the oldest two become one, in favour of a run that is older than both."""
JUMP_MS: Final = 2_000
"""Clocks that are slewed and hosts that are busy differ by less between two signs of life."""

Gap = tuple[int, int]
"""From and until when there was no host, Unix milliseconds."""


def _steady_ms() -> int:
    """Milliseconds that nobody sets."""
    return time.monotonic_ns() // 1_000_000


class Uptime:
    """Counts the time with a host. Before ``begin`` nothing is known, and nothing is written.

    ``clock_ms`` is Unix time, which may be set; ``steady_ms`` is not, and begins anywhere.
    """

    def __init__(
        self,
        database: Database,
        clock_ms: Callable[[], int] = now_ms,
        steady_ms: Callable[[], int] = _steady_ms,
    ) -> None:
        self.clock_ms = clock_ms
        self._steady_ms = steady_ms
        self._ahead_ms = 0
        self._database = database
        self._gaps: list[Gap] = []
        self._begun = False

    def begin(self) -> None:
        """This host is up from now on: the time since the last sign of life was without one."""
        now, steady = self.clock_ms(), self._steady_ms()
        last, gaps = self._database.read(lambda connection: (meta.get(connection, LAST_ALIVE), _gaps(connection)))
        # Nothing is known of the time before the first sign of life.
        self._write(_with(gaps, _number(last), now), now)
        self._ahead_ms, self._begun = now - steady, True

    def beat(self) -> None:
        """Leave a sign of life. One that cannot be written is left out: the next comes soon."""
        if not self._begun:
            return
        now, steady = self.clock_ms(), self._steady_ms()
        jumped_ms = now - steady - self._ahead_ms
        with suppress(StrongroomError):
            if abs(jumped_ms) < JUMP_MS:
                self._database.write(
                    lambda connection: meta.set(connection, LAST_ALIVE, str(now)), may_wait=True
                ).result()
            else:
                self._write(_with(self._gaps, now - jumped_ms, now), now)
            # Small differences do not add up to a jump.
            self._ahead_ms = now - steady

    def down_since_ms(self, since_ms: int) -> int:
        """How long there was no host since ``since_ms``."""
        down_ms = 0
        for begun, ended in reversed(self._gaps):
            if ended <= since_ms:
                break
            down_ms += ended - max(begun, since_ms)
        return down_ms

    def up_since_ms(self, since_ms: int) -> int:
        """How long there was a host since ``since_ms``, which is 0 for what has not begun."""
        return max(self.clock_ms() - since_ms - self.down_since_ms(since_ms), 0) if since_ms else 0

    def _write(self, gaps: list[Gap], now: int) -> None:
        def write(connection: Connection) -> None:
            meta.set(connection, DOWN, json.dumps(gaps))
            meta.set(connection, LAST_ALIVE, str(now))

        self._database.write(write).result()
        self._gaps = gaps


def _with(gaps: list[Gap], since: int, now: int) -> list[Gap]:
    """``gaps`` and the one from ``since`` to ``now``, the oldest put together where there are too many."""
    # A clock that was set back has seen nothing of what is to come.
    found = [(begun, min(ended, now)) for begun, ended in gaps if begun < now]
    if since < now:
        found.append((since, now))
    while len(found) > GAPS_MAX:
        found[:2] = [(found[0][0], found[1][1])]
    return found


def _gaps(connection: Connection) -> list[Gap]:
    """What is stored; what cannot be read is not known, and all of the past counts as time without a host."""
    try:
        return [(int(begun), int(ended)) for begun, ended in json.loads(meta.get(connection, DOWN) or "[]")]
    except (ValueError, TypeError):
        return [(0, _number(meta.get(connection, LAST_ALIVE)))]


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() else 0
