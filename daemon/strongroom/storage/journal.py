"""The append-only events of runs (``run_events``). Nothing here changes one: they go with their whole run only, and are
sealed again with it (``runs_again``)."""

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from sqlalchemy import Connection, bindparam, func, select, text, tuple_
from sqlalchemy import delete as delete_rows

from strongroom.errors import Conflict
from strongroom.storage.schema import RUN_EVENTS
from strongroom.storage.statements import Statement, insert_new

__all__ = ["PAGE_BYTES_MAX", "EventRow", "append", "delete", "events", "exists", "of_correlation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One event. ``index`` counts from 0 within the run; ``sealed`` is an ``srn1`` envelope or empty."""

    run_id: str
    index: int
    event_type: str
    correlation_id: str
    created_at: int
    sealed: bytes


_NAMES: Final = tuple(EventRow.__dataclass_fields__)
_values: Final = attrgetter(*_NAMES)
_APPEND: Final = insert_new(RUN_EVENTS)
_EVENTS: Final = Statement(
    lambda _dialect: (
        select(*(RUN_EVENTS.c[name] for name in _NAMES))
        .where(RUN_EVENTS.c.run_id == bindparam("of_run"), RUN_EVENTS.c.index >= bindparam("start"))
        .order_by(RUN_EVENTS.c.index)
        .limit(bindparam("rows_max"))
    )
)
# The databases know the size of a value without reading it.
_SIZES: Final = Statement(
    lambda _dialect: (
        select(func.length(RUN_EVENTS.c.sealed))
        .where(RUN_EVENTS.c.run_id == bindparam("of_run"), RUN_EVENTS.c.index >= bindparam("start"))
        .order_by(RUN_EVENTS.c.index)
        .limit(bindparam("rows_max"))
    )
)
PAGE_BYTES_MAX: Final = 4_000_000
"""Sealed bytes that are read at once; an event that is larger is read by itself."""


def append(conn: Connection, event: EventRow) -> None:
    """Add an event. Raises ``Conflict`` when the run has one with this index: somebody else wrote it."""
    values = dict(zip(_NAMES, _values(event), strict=True))
    if _APPEND.run(conn, values).rowcount == 0:
        raise Conflict(
            "SR-STORE-024",
            f"event {event.index} of run {event.run_id} exists already",
            why="another writer appended it",
            fix="read the journal again",
            run_id=event.run_id,
            index=event.index,
        )


def events(conn: Connection, run_id: str, *, start: int, limit: int) -> list[EventRow]:
    """Up to ``limit`` events of a run from index ``start`` on, in order; fewer if they are large, but one at least."""
    if limit > 1:
        limit = _fitting(size for (size,) in _SIZES.run(conn, {"of_run": run_id, "start": start, "rows_max": limit}))
    found = _EVENTS.run(conn, {"of_run": run_id, "start": start, "rows_max": limit})
    return [EventRow(**dict(zip(_NAMES, row, strict=True))) for row in found]


def exists(conn: Connection, run_id: str, index: int) -> bool:
    """Whether a run has an event with that index, or one after it."""
    return _SIZES.run(conn, {"of_run": run_id, "start": index, "rows_max": 1}).first() is not None


def of_correlation(
    conn: Connection,
    correlation_id: str,
    *,
    run_id: str = "",
    behind: tuple[str, int] | None = None,
    descending: bool = False,
    limit: int,
) -> list[tuple[str, int]]:
    """Run id and index of up to ``limit`` events with this correlation id, in the order of both, behind ``behind``.

    Without ``run_id`` only of ids of more than 20 characters, of which alone there is an index.
    """
    place = tuple_(RUN_EVENTS.c.run_id, RUN_EVENTS.c.index)
    query = select(RUN_EVENTS.c.run_id, RUN_EVENTS.c.index).where(RUN_EVENTS.c.correlation_id == correlation_id)
    # Written as in the index, or SQLite does not see that it answers the question.
    query = query.where(RUN_EVENTS.c.run_id == run_id if run_id else text("length(correlation_id) > 20"))
    if behind is not None:
        query = query.where(place < behind if descending else place > behind)
    columns = (RUN_EVENTS.c.run_id, RUN_EVENTS.c.index)
    query = query.order_by(*(each.desc() if descending else each for each in columns)).limit(limit)
    return [(str(found_id), int(index)) for found_id, index in conn.execute(query)]


def _fitting(sizes: Iterable[int]) -> int:
    """How many of the values with those sizes are read at once."""
    count, total = 0, 0
    for size in sizes:
        total += size
        if count and total > PAGE_BYTES_MAX:
            break
        count += 1
    return count


def delete(conn: Connection, run_id: str) -> int:
    """Remove every event of a run that is deleted in the same transaction; how many there were."""
    return conn.execute(delete_rows(RUN_EVENTS).where(RUN_EVENTS.c.run_id == run_id)).rowcount
