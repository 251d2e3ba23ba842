"""Calls that were refused because of who made them, on record: as many as tell what goes on, and the rest by number.

Whoever is refused can call again at once, so without a bound the log would be his to fill.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from strongroom.engine.auditing import Audit
from strongroom.errors import StrongroomError

__all__ = ["RefusedCalls"]

AT_ONCE_MAX: Final = 50
"""So many in a row are written down one by one."""
PER_SECOND: Final = 2.0
"""And so many a second in the long run; a start of the host reads what one file holds of them in no time."""
UNKNOWN: Final = "unknown"


class RefusedCalls:
    """Has refusals recorded, before whoever was refused hears of it."""

    def __init__(self, audit: Audit, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._audit = audit
        self._clock_s = clock_s
        self._counting = threading.Lock()
        self._left = float(AT_ONCE_MAX)
        self._since_s = clock_s()
        self._left_out = 0

    def __call__(self, method: str, caller: str, refusal: StrongroomError) -> None:
        """Record, or count, that ``caller`` may not call ``method``. Raises ``Unavailable``."""
        with self._counting:
            now_s = self._clock_s()
            self._left = min(self._left + (now_s - self._since_s) * PER_SECOND, float(AT_ONCE_MAX))
            self._since_s = now_s
            if self._left < 1:
                self._left_out += 1
                return
            self._left -= 1
            left_out, self._left_out = self._left_out, 0
        self._audit.record(
            "call.refused",
            subject=method,
            caller=caller or UNKNOWN,
            outcome=refusal.code,
            why=refusal.what,
            left_out_before=left_out,
        )
