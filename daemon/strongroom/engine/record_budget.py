"""``RecordBudget``: how many records may be made of what costs its caller nothing and changes nothing.

Whoever is refused, or asks for what is not there, can ask again at once, so without a bound the log would be theirs.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

__all__ = ["RecordBudget"]

AT_ONCE_MAX: Final = 50
"""So many in a row are written down one by one."""
PER_SECOND: Final = 2.0
"""And so many a second in the long run; a start of the host reads what one file holds of them in no time."""


class RecordBudget:
    """Tells for each record whether it is to be made. Safe for any thread."""

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._counting = threading.Lock()
        self._left = float(AT_ONCE_MAX)
        self._since_s = clock_s()
        self._left_out = 0

    def take(self) -> int | None:
        """How many were left out since the last one that was not; nothing when this one is to be left out too."""
        with self._counting:
            now_s = self._clock_s()
            self._left = min(self._left + (now_s - self._since_s) * PER_SECOND, float(AT_ONCE_MAX))
            self._since_s = now_s
            if self._left < 1:
                self._left_out += 1
                return None
            self._left -= 1
            left_out, self._left_out = self._left_out, 0
            return left_out
