"""Calls that were refused because of who made them, on record: as many as tell what goes on, and the rest by number."""

import time
from collections.abc import Callable
from typing import Final

from strongroom.engine.auditing import Audit
from strongroom.engine.record_budget import RecordBudget
from strongroom.errors import StrongroomError

__all__ = ["RefusedCalls"]

UNKNOWN: Final = "unknown"


class RefusedCalls:
    """Has refusals recorded, before whoever was refused hears of it."""

    def __init__(self, audit: Audit, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._audit = audit
        self._budget = RecordBudget(clock_s=clock_s)

    def __call__(self, method: str, caller: str, refusal: StrongroomError) -> None:
        """Record, or count, that ``caller`` may not call ``method``. Raises ``Unavailable``."""
        left_out = self._budget.take()
        if left_out is None:
            return
        self._audit.record(
            "call.refused",
            subject=method,
            caller=caller or UNKNOWN,
            outcome=refusal.code,
            why=refusal.what,
            left_out_before=left_out,
        )
