"""Runs that have ended, as rows that are sealed again: which are wanted, and what takes the place of what.

Nothing here looks into an envelope. Whoever calls replaces a run as a whole, in one transaction, and counts its rows.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, literal_column, select
from sqlalchemy import update as update_rows

from strongroom.storage.key_counts import HEADER_BYTES, SEALED, version_in
from strongroom.storage.runs import RunRow
from strongroom.storage.schema import HOOKS, METADATA, RUN_EVENTS, RUNS, STREAM_CHUNKS, UNFINISHED
from strongroom.storage.statements import Statement

__all__ = [
    "TABLES",
    "RowsOfRun",
    "count_unfinished",
    "ended_of_other_versions",
    "replace_chunk",
    "replace_event",
    "rows_of",
    "unfinished_by_version",
]

TABLES: Final = ("runs", "run_events", "stream_chunks", "hooks")
"""Where the rows of a run are."""
_NAMES: Final = tuple(RunRow.__dataclass_fields__)
# Literals, not parameters: only then can SQLite see that its index of unfinished runs answers the question.
# Any: of columns.
_STATUSES: Final[list[Any]] = [literal_column(f"'{status}'") for status in UNFINISHED]
_EVENT: Final = Statement(
    lambda _dialect: (
        update_rows(RUN_EVENTS)
        .where(RUN_EVENTS.c.run_id == bindparam("of_run"), RUN_EVENTS.c.index == bindparam("at"))
        .values(sealed=bindparam("after"))
    )
)
_CHUNK: Final = Statement(
    lambda _dialect: (
        update_rows(STREAM_CHUNKS)
        .where(
            STREAM_CHUNKS.c.run_id == bindparam("of_run"),
            STREAM_CHUNKS.c.name == bindparam("of_name"),
            STREAM_CHUNKS.c.index == bindparam("at"),
        )
        .values(sealed=bindparam("after"))
    )
)


@dataclass(frozen=True, slots=True)
class RowsOfRun:
    """How many rows a run has, and the bytes of what is sealed in them."""

    events: int
    chunks: int
    hooks: int
    sealed_bytes: int

    @property
    def blobs(self) -> int:
        """Everything that names a key version, the header as well."""
        return 1 + self.events + self.chunks + self.hooks


def ended_of_other_versions(conn: Connection, version: int, *, after: str, limit: int) -> list[RunRow]:
    """Up to ``limit`` runs behind the id ``after`` that have ended and are not under ``version``, by id."""
    query = (
        select(*(RUNS.c[name] for name in _NAMES))
        .where(RUNS.c.run_id > after, RUNS.c.key_version != version, RUNS.c.status.not_in(_STATUSES))
        .order_by(RUNS.c.run_id)
        .limit(limit)
    )
    return [RunRow(**dict(zip(_NAMES, row, strict=True))) for row in conn.execute(query)]


def count_unfinished(conn: Connection, version: int) -> int:
    """How many runs that have not ended are under another version than ``version``."""
    query = select(func.count()).select_from(RUNS).where(RUNS.c.status.in_(_STATUSES), RUNS.c.key_version != version)
    return int(conn.execute(query).scalar_one())


def unfinished_by_version(conn: Connection, table: str) -> Counter[int]:
    """MACs and sealed values in ``table``, of runs that have not ended, by key version."""
    counts: Counter[int] = Counter()
    rows = METADATA.tables[table]
    unfinished = RUNS.c.status.in_(_STATUSES)
    source = rows if rows is RUNS else RUNS.join(rows, rows.c.run_id == RUNS.c.run_id)
    if "key_version" in rows.c:
        versions = select(rows.c.key_version, func.count()).select_from(source).where(unfinished)
        found = conn.execute(versions.group_by(rows.c.key_version))
        for version, count in found:
            counts[version if isinstance(version, int) else 0] += int(count)
    for column in SEALED[table]:
        named = func.substr(column, 5, 4)
        query = select(named, func.count()).select_from(source).where(unfinished, func.length(column) >= HEADER_BYTES)
        for raw, count in conn.execute(query.group_by(named)):
            counts[version_in(raw)] += int(count)
    return counts


def rows_of(conn: Connection, run_id: str) -> RowsOfRun:
    """The rows of a run."""
    (events, event_bytes), (chunks, chunk_bytes) = (
        conn.execute(
            select(func.count(), func.coalesce(func.sum(func.length(table.c.sealed)), 0)).where(
                table.c.run_id == run_id
            )
        ).one()
        for table in (RUN_EVENTS, STREAM_CHUNKS)
    )
    hooks = conn.execute(select(func.count()).select_from(HOOKS).where(HOOKS.c.run_id == run_id)).scalar_one()
    return RowsOfRun(int(events), int(chunks), int(hooks), int(event_bytes) + int(chunk_bytes))


def replace_event(conn: Connection, run_id: str, index: int, sealed: bytes) -> bool:
    """Put ``sealed`` in the place of what the event has. Whether there is such an event."""
    return _EVENT.run(conn, {"of_run": run_id, "at": index, "after": sealed}).rowcount == 1


def replace_chunk(conn: Connection, run_id: str, name: str, index: int, sealed: bytes) -> bool:
    """Put ``sealed`` in the place of what the chunk has. Whether there is such a chunk."""
    values = {"of_run": run_id, "of_name": name, "at": index, "after": sealed}
    return _CHUNK.run(conn, values).rowcount == 1
