"""Run headers (``runs``): one row per run, replaced as its journal grows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, literal_column, select, tuple_
from sqlalchemy import delete as delete_rows
from sqlalchemy import update as update_rows

from strongroom.errors import Conflict, NotFound
from strongroom.storage.journal import EventRow, append, events, exists
from strongroom.storage.schema import RUNS, UNFINISHED
from strongroom.storage.statements import Statement, insert_new

__all__ = [
    "EventRow",
    "RunRow",
    "append",
    "count_by_status",
    "count_unfinished",
    "delete",
    "events",
    "exists",
    "finished_before",
    "get",
    "get_by_event",
    "get_by_execution",
    "insert",
    "oldest",
    "page",
    "replace",
    "unfinished_page",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run as it is stored.

    Times are Unix milliseconds, 0 = not yet; ``head_index`` and ``head_tag`` are of the last event of the journal;
    ``mac`` covers ``columns()``. What identifies a run (ids, owner, event, creation time) never changes.
    ``parent_run_id`` is the run that this one repeats; ``wake_at`` is when a waiting run's sleep ends, nothing when it
    does not sleep; ``assurance`` is empty until the run was executed.
    """

    run_id: str
    execution_id: str
    workflow_id: str
    workflow_name: str
    workflow_owner: str
    trigger_index: int
    event_id: str
    status: str
    module: str
    backend: str
    insecure: int
    binary_sha256: str
    created_at: int
    started_at: int
    finished_at: int
    request_digest: bytes
    head_index: int
    head_tag: bytes
    input_bytes: int
    output_bytes: int
    error_code: str
    key_version: int
    epoch: int
    mac: bytes
    parent_run_id: str = ""
    wake_at: int | None = None
    assurance: str = ""

    def columns(self) -> dict[str, str | bytes | int | None]:
        """Every column but ``mac``: what the MAC covers."""
        return dict(zip(_AUTHENTICATED, _authenticated(self), strict=True))


_NAMES: Final = tuple(RunRow.__dataclass_fields__)
_AUTHENTICATED: Final = tuple(name for name in _NAMES if name != "mac")
_authenticated: Final = attrgetter(*_AUTHENTICATED)
_COLUMNS: Final = [RUNS.c[name] for name in _NAMES]
_NEWEST_FIRST: Final = (RUNS.c.created_at.desc(), RUNS.c.run_id.desc())

# The identity of a run. An update does not name these columns, so it leaves the indexes on them alone; that a caller
# holds the same ones is part of its condition.
_IDENTITY: Final = (
    "run_id",
    "execution_id",
    "workflow_id",
    "workflow_owner",
    "trigger_index",
    "event_id",
    "created_at",
)
_identity: Final = attrgetter(*_IDENTITY)


def _select_by(*names: str) -> Statement:
    condition = [RUNS.c[name] == bindparam(name) for name in names]
    return Statement(lambda _dialect: select(*_COLUMNS).where(*condition))


_INSERT: Final = insert_new(RUNS)
_GET: Final = _select_by("run_id")
_GET_BY_EXECUTION: Final = _select_by("execution_id")
_GET_BY_EVENT: Final = _select_by("workflow_id", "trigger_index", "event_id")
_THIS_RUN: Final = [RUNS.c[name] == bindparam(name) for name in _IDENTITY]
_CHANGES: Final[dict[str, Any]] = {name: bindparam(name) for name in _NAMES if name not in _IDENTITY}
_REPLACE: Final = Statement(lambda _dialect: update_rows(RUNS).where(*_THIS_RUN).values(_CHANGES))
_REPLACE_BEHIND: Final = Statement(
    lambda _dialect: (
        update_rows(RUNS)
        .where(
            *_THIS_RUN, RUNS.c.head_index == bindparam("expected_head"), RUNS.c.head_tag == bindparam("expected_tag")
        )
        .values(_CHANGES)
    )
)
_REPLACE_AFTER: Final = Statement(
    lambda _dialect: (
        update_rows(RUNS)
        .where(
            *_THIS_RUN,
            RUNS.c.head_index == bindparam("expected_head"),
            RUNS.c.head_tag == bindparam("expected_tag"),
            RUNS.c.status.in_([literal_column(f"'{status}'") for status in UNFINISHED]),
        )
        .values(_CHANGES)
    )
)


def insert(conn: Connection, row: RunRow) -> None:
    """Add a run. Raises ``Conflict`` when its id or its trigger event is taken."""
    if _INSERT.run(conn, _values(row)).rowcount == 0:
        raise Conflict(
            "SR-STORE-022",
            f"run {row.run_id} cannot be created",
            why="its run id or its trigger event belongs to a run already",
            fix="read the run that is there",
            run_id=row.run_id,
            execution_id=row.execution_id,
        )


def get(conn: Connection, run_id: str) -> RunRow | None:
    """The run with this id."""
    return _first(_GET, conn, {"run_id": run_id})


def get_by_execution(conn: Connection, execution_id: str) -> RunRow | None:
    """The run that guests and capabilities know by ``execution_id``; one of them where two events share it."""
    return _first(_GET_BY_EXECUTION, conn, {"execution_id": execution_id})


def get_by_event(conn: Connection, workflow_id: str, trigger_index: int, event_id: str) -> RunRow | None:
    """The one run of a trigger event."""
    values = {"workflow_id": workflow_id, "trigger_index": trigger_index, "event_id": event_id}
    return _first(_GET_BY_EVENT, conn, values)


def replace(conn: Connection, row: RunRow, *, after: RunRow | None = None, may_have_ended: bool = False) -> None:
    """Write every column that may change.

    With ``after`` only where that header's last event is the run's last one, by index and tag, and the run has not
    ended: a writer whose last append was lost, or that is not the only one, must leave neither a gap nor a second
    chain.

    In runs that others execute events may come behind the end: ``may_have_ended``. Raises ``NotFound`` when no run
    has ``row``'s ids, event and creation time, ``Conflict`` when the head is another one or the run has ended.
    """
    if after is None:
        changed = _REPLACE.run(conn, _values(row)).rowcount
    else:
        expected = {"expected_head": after.head_index, "expected_tag": after.head_tag}
        statement = _REPLACE_BEHIND if may_have_ended else _REPLACE_AFTER
        changed = statement.run(conn, _values(row) | expected).rowcount
    if changed:
        return
    found = get(conn, row.run_id)
    if after is not None and found is not None and _identity(found) == _identity(row):
        raise Conflict(
            "SR-STORE-026",
            f"the journal of run {row.run_id}, which is {found.status}, ends at event {found.head_index} otherwise"
            f" than its writer knows, who has {after.head_index} events before this one",
            why="an append was lost, or another writer has the run",
            fix="read the journal again and go on from there",
            run_id=row.run_id,
            head_index=found.head_index,
        )
    raise NotFound(
        "SR-STORE-023",
        f"there is no run {row.run_id} with this identity",
        why="its ids, owner, trigger event and creation time never change",
        run_id=row.run_id,
    )


def page(
    conn: Connection,
    *,
    workflow_id: str | None = None,
    workflow_name: str | None = None,
    owners: Collection[str] | None = None,
    statuses: Sequence[str] = (),
    before: tuple[int, str] | None = None,
    limit: int,
) -> list[RunRow]:
    """Up to ``limit`` runs, the newest first; what is not given does not filter.

    ``before`` is ``(created_at, run_id)`` of the last row of the page before.
    """
    query = select(*_COLUMNS).order_by(*_NEWEST_FIRST).limit(limit)
    if workflow_id is not None:
        query = query.where(RUNS.c.workflow_id == workflow_id)
    if workflow_name is not None:
        query = query.where(RUNS.c.workflow_name == workflow_name)
    if owners is not None:
        query = query.where(RUNS.c.workflow_owner.in_(owners))
    if statuses:
        query = query.where(RUNS.c.status.in_(statuses))
    if before is not None:
        query = query.where(tuple_(RUNS.c.created_at, RUNS.c.run_id) < before)
    return [_row(found) for found in conn.execute(query)]


def unfinished_page(conn: Connection, *, after: tuple[int, str] | None, limit: int) -> list[RunRow]:
    """Up to ``limit`` runs that are pending, running or waiting, the oldest first.

    ``after`` is ``(created_at, run_id)`` of the last row of the page before.
    """
    # Literals, not parameters: only then can SQLite see that its index of unfinished runs answers the question.
    condition = RUNS.c.status.in_([literal_column(f"'{status}'") for status in UNFINISHED])
    query = select(*_COLUMNS).where(condition).order_by(RUNS.c.created_at, RUNS.c.run_id).limit(limit)
    if after is not None:
        query = query.where(tuple_(RUNS.c.created_at, RUNS.c.run_id) > after)
    return [_row(found) for found in conn.execute(query)]


def finished_before(
    conn: Connection, before_ms: int, limit: int, *, after: tuple[int, str] | None = None, workflow_id: str = ""
) -> list[RunRow]:
    """Up to ``limit`` runs that ended before ``before_ms`` (Unix milliseconds), the oldest by creation first.

    ``after`` is ``(created_at, run_id)`` of the last row of the page before; ``workflow_id`` filters unless empty.
    """
    # A run ends after it was created, so the index by creation finds them; another index would cost every run.
    query = select(*_COLUMNS).where(
        RUNS.c.created_at < before_ms, RUNS.c.finished_at > 0, RUNS.c.finished_at < before_ms
    )
    if workflow_id:
        query = query.where(RUNS.c.workflow_id == workflow_id)
    if after is not None:
        query = query.where(tuple_(RUNS.c.created_at, RUNS.c.run_id) > after)
    query = query.order_by(RUNS.c.created_at, RUNS.c.run_id).limit(limit)
    return [_row(found) for found in conn.execute(query)]


def delete(conn: Connection, run_id: str) -> bool:
    """Remove the header of a run that has ended. False when there is none, or it has not ended."""
    ended = RUNS.c.status.not_in([literal_column(f"'{status}'") for status in UNFINISHED])
    return conn.execute(delete_rows(RUNS).where(RUNS.c.run_id == run_id, ended)).rowcount > 0


def oldest(conn: Connection) -> int | None:
    """When the oldest run was created, Unix milliseconds; nothing when there is none."""
    found = conn.execute(select(func.min(RUNS.c.created_at))).scalar_one()
    return None if found is None else int(found)


def count_unfinished(conn: Connection, workflow_id: str) -> int:
    """How many runs of a workflow are pending, running or waiting."""
    condition = RUNS.c.status.in_([literal_column(f"'{status}'") for status in UNFINISHED])
    query = select(func.count()).select_from(RUNS).where(condition, RUNS.c.workflow_id == workflow_id)
    return int(conn.execute(query).scalar_one())


def count_by_status(conn: Connection) -> dict[str, int]:
    """How many runs have each status; statuses without runs are absent."""
    query = select(RUNS.c.status, func.count()).group_by(RUNS.c.status).order_by(RUNS.c.status)
    return {str(status): int(number) for status, number in conn.execute(query)}


def _first(statement: Statement, conn: Connection, values: dict[str, Any]) -> RunRow | None:
    found = statement.run(conn, values).first()
    return None if found is None else _row(found)


def _values(row: RunRow) -> dict[str, Any]:
    values: dict[str, Any] = row.columns()
    values["mac"] = row.mac
    return values


def _row(found: Any) -> RunRow:  # Any: a row of SQLAlchemy, in the order of _NAMES
    return RunRow(**dict(zip(_NAMES, found, strict=True)))
