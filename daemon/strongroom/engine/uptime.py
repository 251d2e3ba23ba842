"""When this deployment had a host, so that runs are charged for the time that it was up and for no other.

The database knows the last sign of life, written every few seconds, and the times without a host before. A host that is
cut off loses what came after its last sign; a host that is stopped loses nothing.
"""

import json
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

Gap = tuple[int, int]
"""From and until when there was no host, Unix milliseconds."""


class Uptime:
    """Counts the time with a host. Before ``begin`` nothing is known, and nothing is written."""

    def __init__(self, database: Database, clock_ms: Callable[[], int] = now_ms) -> None:
        self.clock_ms = clock_ms
        self._database = database
        self._gaps: list[Gap] = []
        self._begun = False

    def begin(self) -> None:
        """This host is up from now on: the time since the last sign of life was without one."""
        now = self.clock_ms()
        last, gaps = self._database.read(lambda connection: (meta.get(connection, LAST_ALIVE), _gaps(connection)))
        # Nothing is known of the time before the first sign of life.
        since = _number(last)
        if since < now:
            gaps.append((since, now))
        while len(gaps) > GAPS_MAX:
            gaps[:2] = [(gaps[0][0], gaps[1][1])]

        def write(connection: Connection) -> None:
            meta.set(connection, DOWN, json.dumps(gaps))
            meta.set(connection, LAST_ALIVE, str(now))

        self._database.write(write).result()
        self._gaps, self._begun = gaps, True

    def beat(self) -> None:
        """Leave a sign of life. One that cannot be written is left out: the next comes soon."""
        if self._begun:
            now = str(self.clock_ms())
            with suppress(StrongroomError):
                self._database.write(lambda connection: meta.set(connection, LAST_ALIVE, now), may_wait=True).result()

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


def _gaps(connection: Connection) -> list[Gap]:
    """What is stored; what cannot be read is not known, and all of the past counts as time without a host."""
    try:
        return [(int(begun), int(ended)) for begun, ended in json.loads(meta.get(connection, DOWN) or "[]")]
    except (ValueError, TypeError):
        return [(0, _number(meta.get(connection, LAST_ALIVE)))]


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() else 0
