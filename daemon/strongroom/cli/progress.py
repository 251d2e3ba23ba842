"""How far something is: one line on a terminal that is written over, and nothing anywhere else."""

import sys
import time
from typing import Final

from strongroom.cli.caller import Caller
from strongroom.telemetry.redaction import printable

__all__ = ["Progress"]

EVERY_S: Final = 0.1


class Progress:
    """Shows how far it is, at most ten times a second. ``end`` takes the line away."""

    def __init__(self, caller: Caller) -> None:
        self._is_shown = not caller.quiet and not caller.json and sys.stderr.isatty()
        self._next_s = 0.0
        self._has_line = False

    def __call__(self, doing: str, done: int, total: int) -> None:
        """So much of it is done."""
        now_s = time.monotonic()
        if not self._is_shown or now_s < self._next_s:
            return
        self._next_s = now_s + EVERY_S
        share = f" {100 * done // total} %" if total > 1 else ""
        sys.stderr.write(f"\r\x1b[K{printable(doing)}{share}")
        sys.stderr.flush()
        self._has_line = True

    def end(self) -> None:
        """It is over."""
        if self._has_line:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._has_line = False
