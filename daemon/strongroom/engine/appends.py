"""Events on their way to the disk."""

from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass

from strongroom.engine.event_types import HOOK_NEWS
from strongroom.errors import Conflict, NotFound, StorageFault, Unavailable
from strongroom.storage.database import Connection
from strongroom.storage.runs import EventRow, RunRow

__all__ = ["Also", "WaitingEvents", "bytes_of", "is_stored", "not_written", "settle"]

Also = Callable[[Connection], None] | None
"""Writes more in the transaction of an event."""


@dataclass(frozen=True, slots=True)
class WaitingEvents:
    """Events that the database holds back until others come; ``after`` is the header that is stored before them."""

    stored: "Future[None]"
    events: list[EventRow]
    after: RunRow
    has_times: bool


def bytes_of(events: Iterable[EventRow]) -> int:
    """The room that events take of what the guest of a run may have written."""
    return sum(len(event.sealed) for event in events if event.event_type not in HOOK_NEWS)


def is_stored(stored: "Future[None]") -> bool:
    """Whether it is on the disk."""
    return stored.done() and not stored.cancelled() and stored.exception() is None


def settle(stored: "Future[None]") -> None:
    """Wait until ``stored`` is on disk. Raises ``StorageFault``, whatever kept it from getting there."""
    try:
        stored.result()
    except (Unavailable, Conflict, NotFound, CancelledError) as error:
        raise not_written(error) from error


def not_written(error: Exception) -> StorageFault:
    """The error of an append that did not get to the disk."""
    return StorageFault(
        "SR-RUN-019",
        "the journal of a run was not written",
        why=str(error) or "it was taken back for an append that was refused",
        fix="it is tried again by itself",
    )
