"""Runs that have ended, as they are counted."""

from collections.abc import Callable

from strongroom.engine.handles import Outcome
from strongroom.storage.runs import RunRow
from strongroom.telemetry.counts import Counts

__all__ = ["Ended", "counted_in", "uncounted"]

Ended = Callable[[RunRow, Outcome], None]
"""Told of the header of a run that has ended here, once its end is on the disk, and of how it ended."""
MS_PER_S = 1000


def uncounted(_header: RunRow, _outcome: Outcome) -> None:
    """Nobody counts."""


def counted_in(counts: Counts) -> Ended:
    """Each is counted in ``counts``, by its state, with the time since it was accepted."""

    def ended(header: RunRow, _outcome: Outcome) -> None:
        counts.run_finished(header.status, (header.finished_at - header.created_at) / MS_PER_S)

    return ended
