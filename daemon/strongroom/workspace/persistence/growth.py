"""When a log is worth compacting: how much it grew since the last time, beside what the state of its document weighs.

A compaction writes the whole state. So a large state waits for proportionally more, and no byte is written again more
than a few times on average.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["BYTES_DUE", "QUIET_S", "ROWS_DUE", "ROWS_MAX", "Growth"]

ROWS_DUE: Final = 500
"""As in the local store of Epicenter; opening this many rows takes a few milliseconds."""
ROWS_MAX: Final = 10_000
"""From here on the rows are what makes opening slow, whatever they hold."""
BYTES_DUE: Final = 2 * 2**20
"""As in the daemon log of Epicenter."""
STATE_SHARE: Final = 4
"""A log may grow by this fraction of the state before it is written anew."""
OVERDUE: Final = 2
"""So many times the usual are too much to wait for a quiet second, which may never come."""
CLOSE_BYTES_MAX: Final = 2 * 2**20
"""What is smaller is compacted whenever it is closed: that takes milliseconds, and the next start is faster."""
QUIET_S: Final = 1.0
"""How long nothing must have come before a compaction begins in the background."""


@dataclass(slots=True)
class Growth:
    """Rows and bytes behind the last compaction, and the bytes of the state that it wrote."""

    rows: int = 0
    bytes: int = 0
    state_bytes: int = 0

    def add(self, rows: int, size: int) -> None:
        """Count ``rows`` of ``size`` bytes in all."""
        self.rows += rows
        self.bytes += size

    def add_row(self, is_state: bool, size: int) -> None:
        """Count a row that was found: a state begins anew."""
        if is_state:
            self.state_bytes = size
            self.rows = self.bytes = 0
        else:
            self.add(1, size)

    @property
    def is_due(self) -> bool:
        """Whether the log is compacted as soon as it is quiet."""
        if self.rows >= ROWS_MAX:
            return True
        grown = self.bytes >= self.state_bytes // STATE_SHARE
        return grown and (self.rows >= ROWS_DUE or self.bytes >= BYTES_DUE)

    @property
    def is_overdue(self) -> bool:
        """Whether the log is compacted also while it is written without a pause."""
        return self.rows >= OVERDUE * ROWS_MAX or self.bytes >= max(OVERDUE * BYTES_DUE, OVERDUE * self.state_bytes)

    @property
    def is_due_at_close(self) -> bool:
        """Whether the log is compacted before it is closed."""
        return self.is_due or (self.rows > 1 and self.bytes + self.state_bytes <= CLOSE_BYTES_MAX)
