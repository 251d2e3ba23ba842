"""Statements that are built once and then handed to the driver as text.

SQLAlchemy builds the SQL; for the few statements that every run needs, its compilation and result handling would cost
more than the database does, so their text and parameter order are kept per dialect.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ClauseElement

__all__ = ["Statement", "insert_new", "upsert"]

# Values are whatever the driver takes or gives: text, bytes and integers, told apart by the row classes above this.
Values = Mapping[str, Any]
Compiled = tuple[str, tuple[str, ...] | None, Values]


class Statement:
    """One statement with named parameters, compiled on first use for each dialect."""

    __slots__ = ("_build", "_compiled")

    def __init__(self, build: Callable[[str], ClauseElement]) -> None:
        """``build`` gives the statement for a dialect's name."""
        self._build = build
        self._compiled: dict[str, Compiled] = {}

    def run(self, conn: Connection, values: Values) -> CursorResult[Any]:
        """Execute with ``values``, which may hold more names than the statement has."""
        text, order, constants = self._compiled.get(conn.dialect.name) or self._compile(conn)
        if constants:
            values = {**constants, **values}
        if order is None:
            return conn.exec_driver_sql(text, dict(values))
        return conn.exec_driver_sql(text, tuple([values[name] for name in order]))

    def _compile(self, conn: Connection) -> Compiled:
        compiled: Final = self._build(conn.dialect.name).compile(dialect=conn.dialect)
        positions = getattr(compiled, "positiontup", None)
        # What a dialect adds itself, such as the offset that SQLite writes beside every limit.
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        entry = (str(compiled), tuple(positions) if positions is not None else None, constants)
        self._compiled[conn.dialect.name] = entry
        return entry


def insert_new(table: Table) -> Statement:
    """Insert a row of ``table``, or nothing (row count 0) where a unique key is taken.

    A refused insert leaves the transaction usable on both databases; a constraint error would end PostgreSQL's.
    """

    def build(dialect: str) -> ClauseElement:
        if dialect == "postgresql":
            return postgresql.insert(table).on_conflict_do_nothing()
        return sqlite.insert(table).on_conflict_do_nothing()

    return Statement(build)


def upsert(table: Table, *, keys: Sequence[str]) -> Statement:
    """Insert a row of ``table``, or replace the one that has the same ``keys``."""

    def build(dialect: str) -> ClauseElement:
        others = [column.name for column in table.columns if column.name not in keys]
        if dialect == "postgresql":
            new = postgresql.insert(table)
            return new.on_conflict_do_update(index_elements=keys, set_={name: new.excluded[name] for name in others})
        same = sqlite.insert(table)
        return same.on_conflict_do_update(index_elements=keys, set_={name: same.excluded[name] for name in others})

    return Statement(build)
