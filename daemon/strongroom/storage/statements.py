"""Statements that are built once and then handed to the driver as text.

SQLAlchemy builds the SQL; for the few statements that every run needs, its compilation and result handling would cost
several times what the database does, so their text and parameter order are kept per dialect and go to the driver as
they are. Failures of the driver become the exceptions that SQLAlchemy would have made of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import ClauseElement

__all__ = ["Answer", "Statement", "insert_new", "upsert"]

# Values are whatever the driver takes or gives: text, bytes and integers, told apart by the row classes above this.
Values = Mapping[str, Any]
Compiled = tuple[str, tuple[str, ...] | None, Values]


class Answer:
    """What a statement gave. ``rowcount`` is how many rows it changed."""

    __slots__ = ("_cursor", "rowcount")

    def __init__(self, cursor: Any) -> None:  # Any: sqlite3's or psycopg's
        self._cursor = cursor
        self.rowcount: int = cursor.rowcount

    def first(self) -> tuple[Any, ...] | None:  # Any: what the columns hold
        """The first row, or nothing."""
        row: tuple[Any, ...] | None = self._cursor.fetchone()
        self._cursor.close()
        return row

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Every row."""
        return iter(self._cursor.fetchall())


class Statement:
    """One statement with named parameters, compiled on first use for each dialect."""

    __slots__ = ("_build", "_compiled")

    def __init__(self, build: Callable[[str], ClauseElement]) -> None:
        """``build`` gives the statement for a dialect's name."""
        self._build = build
        self._compiled: dict[str, Compiled] = {}

    def run(self, conn: Connection, values: Values) -> Answer:
        """Execute with ``values``, which may hold more names than the statement has. Raises ``DBAPIError``."""
        text, order, constants = self._compiled.get(conn.dialect.name) or self._compile(conn)
        if constants:
            values = {**constants, **values}
        driver: Any = conn.connection.driver_connection  # Any: sqlite3's or psycopg's connection
        try:
            return Answer(driver.execute(text, values if order is None else [values[name] for name in order]))
        except conn.dialect.loaded_dbapi.Error as error:
            raise _failed(conn, text, error) from error

    def _compile(self, conn: Connection) -> Compiled:
        compiled: Final = self._build(conn.dialect.name).compile(dialect=conn.dialect)
        positions = getattr(compiled, "positiontup", None)
        # What a dialect adds itself, such as the offset that SQLite writes beside every limit.
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        entry = (str(compiled), tuple(positions) if positions is not None else None, constants)
        self._compiled[conn.dialect.name] = entry
        return entry


def _failed(conn: Connection, text: str, error: Exception) -> BaseException:
    """``error`` as SQLAlchemy tells it. A connection that is lost is dropped, so that the next use makes a new one."""
    dialect = conn.dialect
    lost = dialect.is_disconnect(error, conn.connection.dbapi_connection, None)  # type: ignore[arg-type]  # the driver's
    if lost:
        conn.invalidate(error)
    return DBAPIError.instance(
        text,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=dialect,
    )


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
