"""Rows of every table, from one database to another with the same schema, whichever the two are."""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, MetaData, Table, column, func, insert, select
from sqlalchemy import table as named_table

from strongroom.storage.schema import WORKFLOW_BINARIES

__all__ = ["VERSION_TABLE", "Told", "copy_rows", "row_counts"]

Told: TypeAlias = Callable[[int, int], object]
"""Hears how much of how much is done."""
VERSION_TABLE: Final = "alembic_version"
ROWS_READ: Final = 50
"""Rows that are read ahead; one has a few hundred kilobytes at most, but for binaries."""
BATCH_ROWS_MAX: Final = 100
BATCH_BYTES_MAX: Final = 500_000
"""Other threads wait for a batch: some milliseconds."""


def copy_rows(source: Connection, target: Connection, told: Told = lambda _done, _total: None) -> None:
    """Put every row of ``source`` into the empty tables of ``target``, which say which columns there are."""
    known = MetaData()
    known.reflect(target)
    tables = [each for each in known.sorted_tables if each.name != VERSION_TABLE]
    total = sum(_count(source, each.name) for each in tables)
    done = 0
    for each in tables:
        statement = insert(each)
        for batch in _batches(source, each):
            target.execute(statement, batch)
            done += len(batch)
            told(done, total)


def row_counts(connection: Connection) -> dict[str, int]:
    """How many rows each table of ours has, whatever its schema version."""
    known = MetaData()
    known.reflect(connection)
    return {name: _count(connection, name) for name in sorted(known.tables) if name != VERSION_TABLE}


def _count(connection: Connection, name: str) -> int:
    return int(connection.execute(select(func.count()).select_from(named_table(name))).scalar_one())


def _batches(source: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:  # Any: what the columns hold
    # Without types: each driver gives what the other one takes.
    names = [each.name for each in table.columns]
    chosen: list[Any] = [column(name) for name in names]
    query = select(*chosen).select_from(named_table(table.name, *(column(name) for name in names)))
    ahead = 1 if table.name == WORKFLOW_BINARIES.name else ROWS_READ
    batch: list[dict[str, Any]] = []
    size = 0
    for row in source.execute(query.execution_options(stream_results=True, max_row_buffer=ahead)):
        batch.append(dict(zip(names, row, strict=True)))
        size += sum(len(value) for value in row if isinstance(value, bytes | str))
        if len(batch) >= BATCH_ROWS_MAX or size >= BATCH_BYTES_MAX:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
