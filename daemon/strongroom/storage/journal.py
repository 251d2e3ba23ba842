"""The append-only events of runs (``run_events``). Nothing here changes one; they go with their whole run only."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from sqlalchemy import Connection, bindparam, select
from sqlalchemy import delete as delete_rows

from strongroom.errors import Conflict
from strongroom.storage.schema import RUN_EVENTS
from strongroom.storage.statements import Statement, insert_new

__all__ = ["EventRow", "append", "delete", "events"]


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
    """Up to ``limit`` events of a run in order, from index ``start`` on."""
    found = _EVENTS.run(conn, {"of_run": run_id, "start": start, "rows_max": limit})
    return [EventRow(**dict(zip(_NAMES, row, strict=True))) for row in found]


def delete(conn: Connection, run_id: str) -> int:
    """Remove every event of a run that is deleted in the same transaction; how many there were."""
    return conn.execute(delete_rows(RUN_EVENTS).where(RUN_EVENTS.c.run_id == run_id)).rowcount
