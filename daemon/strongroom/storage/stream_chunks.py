"""Chunks of the named streams of runs (``stream_chunks``). Nothing here changes one; ``runs_again`` does."""

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy import delete as delete_rows

from strongroom.errors import Conflict, Tampered
from strongroom.storage.schema import STREAM_CHUNKS
from strongroom.storage.statements import Statement, insert_new

__all__ = [
    "PAGE_BYTES_MAX",
    "ChunkRow",
    "StreamRow",
    "Tail",
    "append",
    "before",
    "chunks",
    "delete",
    "last",
    "streams",
    "tail",
    "written",
]

PAGE_BYTES_MAX: Final = 1_000_000
"""Sealed bytes that are read at once: there are many readers, and a slow one keeps what it was given."""
CREATED_MS_MAX: Final = 253_402_300_799_999
"""The end of the year 9999, which is the last time that a message can tell."""
COLUMNS: Final = STREAM_CHUNKS.c
_SHOWN_CHARS_MAX: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRow:
    """One chunk. ``index`` counts from 0 within the stream; ``sealed`` is an ``srn1`` envelope.

    ``written_by`` is the writer's reference, unique in the stream; ``final`` is 1 for the last chunk, else 0.
    """

    run_id: str
    name: str
    index: int
    written_by: str
    final: int
    created_at: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Tail:
    """What the columns say of the last chunk of a stream, whose content was not read."""

    index: int
    final: int
    sealed_bytes: int


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A stream as its rows describe it: how many they are, their sealed bytes, and the highest index."""

    name: str
    chunks: int
    sealed_bytes: int
    last_index: int


_NAMES: Final = tuple(ChunkRow.__dataclass_fields__)
_values: Final = attrgetter(*_NAMES)
_OF_STREAM: Final = (COLUMNS.run_id == bindparam("of_run"), COLUMNS.name == bindparam("of_name"))
_APPEND: Final = insert_new(STREAM_CHUNKS)
_LAST: Final = Statement(
    lambda _dialect: (
        select(*(COLUMNS[name] for name in _NAMES)).where(*_OF_STREAM).order_by(COLUMNS.index.desc()).limit(1)
    )
)
_TAIL: Final = Statement(
    lambda _dialect: (
        select(COLUMNS.index, COLUMNS.final, func.length(COLUMNS.sealed))
        .where(*_OF_STREAM)
        .order_by(COLUMNS.index.desc())
        .limit(1)
    )
)
_WRITTEN: Final = Statement(
    lambda _dialect: select(*(COLUMNS[name] for name in _NAMES)).where(
        *_OF_STREAM, COLUMNS.written_by == bindparam("writer")
    )
)
_CHUNKS: Final = Statement(
    lambda _dialect: (
        select(*(COLUMNS[name] for name in _NAMES))
        .where(*_OF_STREAM, COLUMNS.index >= bindparam("start"))
        .order_by(COLUMNS.index)
        .limit(bindparam("rows_max"))
    )
)
# The databases know the size of a value without reading it.
_SIZES: Final = Statement(
    lambda _dialect: (
        select(func.length(COLUMNS.sealed))
        .where(*_OF_STREAM, COLUMNS.index >= bindparam("start"))
        .order_by(COLUMNS.index)
        .limit(bindparam("rows_max"))
    )
)


def append(conn: Connection, chunk: ChunkRow) -> None:
    """Add a chunk. Raises ``Conflict`` when the stream has one with this index or of this writer's reference."""
    if _APPEND.run(conn, dict(zip(_NAMES, _values(chunk), strict=True))).rowcount == 0:
        raise Conflict(
            "SR-STORE-027",
            f"chunk {chunk.index} of a stream of run {chunk.run_id} exists already",
            why="another writer appended it",
            fix="write it again",
            run_id=chunk.run_id,
            index=chunk.index,
        )


def last(conn: Connection, run_id: str, name: str) -> ChunkRow | None:
    """The chunk with the highest index; nothing when there is no such stream."""
    return _first(_LAST, conn, {"of_run": run_id, "of_name": name})


def tail(conn: Connection, run_id: str, name: str) -> Tail | None:
    """As ``last``, without its content."""
    found = _TAIL.run(conn, {"of_run": run_id, "of_name": name}).first()
    if found is not None and not isinstance(found[0], int):
        raise _not_ours(run_id, name)
    return None if found is None else Tail(*found)


def before(conn: Connection, chunk: ChunkRow) -> ChunkRow | None:
    """The chunk in front of ``chunk``; nothing when there is none."""
    values = {"of_run": chunk.run_id, "of_name": chunk.name, "start": chunk.index - 1, "rows_max": 1}
    found = _first(_CHUNKS, conn, values) if chunk.index > 0 else None
    return found if found is not None and found.index == chunk.index - 1 else None


def written(conn: Connection, run_id: str, name: str, written_by: str) -> ChunkRow | None:
    """The chunk that was written under this reference."""
    return _first(_WRITTEN, conn, {"of_run": run_id, "of_name": name, "writer": written_by})


def chunks(conn: Connection, run_id: str, name: str, *, start: int, limit: int) -> list[ChunkRow]:
    """Up to ``limit`` chunks from index ``start`` on, in order; fewer if they are large, but one if there is one."""
    values = {"of_run": run_id, "of_name": name, "start": start, "rows_max": limit}
    if limit > 1:
        values["rows_max"] = _fitting(size for (size,) in _SIZES.run(conn, values))
    return [_row(found) for found in _CHUNKS.run(conn, values)]


def streams(conn: Connection, run_id: str, *, after: str = "", only: str = "", limit: int) -> list[StreamRow]:
    """Up to ``limit`` streams of a run behind the name ``after``, by name; or the one that is called ``only``.

    Raises ``Tampered`` for a name that is no text.
    """
    query = (
        select(COLUMNS.name, func.count(), func.sum(func.length(COLUMNS.sealed)), func.max(COLUMNS.index))
        .where(COLUMNS.run_id == run_id, COLUMNS.name == only if only else COLUMNS.name > after)
        .group_by(COLUMNS.name)
        .order_by(COLUMNS.name)
        .limit(limit)
    )
    found: list[StreamRow] = []
    for name, number, size, top in conn.execute(query):
        # In SQLite bytes stand behind every text, so whoever goes on behind such a name would find it for ever.
        if not isinstance(name, str):
            raise _not_ours(run_id, repr(name)[:_SHOWN_CHARS_MAX])
        # What is no number in a column of numbers is nobody's last index.
        found.append(StreamRow(name, int(number), int(size), top if isinstance(top, int) else -1))
    return found


def delete(conn: Connection, run_id: str) -> int:
    """Remove every chunk of a run that is deleted in the same transaction; how many there were."""
    return conn.execute(delete_rows(STREAM_CHUNKS).where(COLUMNS.run_id == run_id)).rowcount


def _fitting(sizes: Iterable[int]) -> int:
    """How many of the values with those sizes are read at once."""
    count, total = 0, 0
    for size in sizes:
        total += size
        if count and total > PAGE_BYTES_MAX:
            break
        count += 1
    return max(count, 1)


def _first(statement: Statement, conn: Connection, values: dict[str, Any]) -> ChunkRow | None:  # Any: of columns
    found = statement.run(conn, values).first()
    return None if found is None else _row(found)


def _row(found: tuple[Any, ...]) -> ChunkRow:  # Any: what the columns hold, in the order of _NAMES
    row = ChunkRow(**dict(zip(_NAMES, found, strict=True)))
    # SQLite keeps a value of any type in any column, and arithmetic on an index or a time must not fail of it.
    numbers = isinstance(row.index, int) and isinstance(row.created_at, int)
    if not numbers or not isinstance(row.sealed, bytes) or not 0 <= row.created_at <= CREATED_MS_MAX:
        raise _not_ours(row.run_id, row.name)
    return row


def _not_ours(run_id: str, name: str) -> Tampered:
    return Tampered(f"stream {name} of run {run_id}", run_id=run_id, stream=name)
