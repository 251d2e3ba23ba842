"""``Database``: one writer that commits in groups, and readers that never wait for it."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Literal, TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from strongroom.storage.engines import (
    can_commit,
    check_there,
    looking_engine,
    parse_url,
    reader_engine,
    sqlite_url,
    writer_engine,
)
from strongroom.storage.faults import is_busy, is_refused, translated
from strongroom.storage.host_lock import writing_alone
from strongroom.storage.schema_version import bring_up_to_date, check_current
from strongroom.storage.writer import Writer

__all__ = ["Connection", "Database"]

T = TypeVar("T")


class Database:
    """An open database whose schema is this release's."""

    def __init__(self, writing: Engine, reading: Engine, *, alone: bool = False) -> None:
        """Use two engines of one database; ``open`` is the usual way to get here."""
        self.backend: Literal["sqlite", "postgresql"] = (
            "postgresql" if writing.dialect.name == "postgresql" else "sqlite"
        )
        self._writing = writing
        self._reading = reading
        self.busy = 0
        """Statements that found the database locked by another program for longer than they wait."""
        event.listen(reading, "handle_error", lambda context: self._noticed(context.original_exception))
        self.on_refused: Callable[[], None] = _nothing
        """Called when the disk refused something; it must not wait."""
        is_locked = alone and self.backend == "postgresql"
        self._writer = Writer(self._connected_alone if is_locked else writing.connect, can_commit, self._failed)

    @classmethod
    def open(
        cls,
        place: str | Path,
        *,
        alone: bool = False,
        before_migration: Callable[[Connection], object] | None = None,
    ) -> "Database":
        """The database at ``place``, a URL or the path of a SQLite file, migrated when its schema is behind.

        With ``alone`` nobody else who says so writes to it: writes fail with ``Unavailable`` while somebody else may.
        ``before_migration`` may refuse one whose schema is behind, by raising; nothing was changed then.

        Raises ``Misconfigured`` for a URL that is no SQLite file and no PostgreSQL, ``StorageFault`` when the schema is
        newer than this code or the file cannot be used, ``Unavailable`` when the server does not answer.
        """
        parsed = sqlite_url(place) if isinstance(place, Path) else parse_url(place)
        writing = writer_engine(parsed)
        try:
            bring_up_to_date(writing, before_migration)
        except BaseException as error:
            writing.dispose()
            if isinstance(error, SQLAlchemyError):
                raise translated(error) from error
            raise
        return cls(writing, reader_engine(parsed), alone=alone)

    @classmethod
    def open_to_read(cls, place: str | Path) -> "Database":
        """The database at ``place`` for looking at it, as it is: nothing is made, migrated or written.

        Raises ``StorageFault`` where there is none, or its schema is not this release's; ``Misconfigured``.
        """
        parsed = sqlite_url(place) if isinstance(place, Path) else parse_url(place)
        check_there(parsed)
        reading = looking_engine(parsed)
        try:
            check_current(reading)
        except BaseException as error:
            reading.dispose()
            if isinstance(error, SQLAlchemyError):
                raise translated(error) from error
            raise
        return cls(reading, reading)

    def write(self, job: Callable[[Connection], T], *, may_wait: bool = False) -> Future[T]:
        """Run ``job`` in the writer's next transaction; the future resolves once that is committed and synced.

        The future raises what the job raised, or ``StorageFault`` / ``Unavailable`` when the commit failed; after a
        lost connection to PostgreSQL the commit may still have happened. A job must not wait for another write.
        A job that ``may_wait`` is held back for some milliseconds to share the commit of one that may not; its future
        can be cancelled meanwhile.
        Raises ``Unavailable`` at once when the queue is full or the database closed.
        """
        return self._writer.submit(job, may_wait=may_wait)

    def read(self, query: Callable[[Connection], T]) -> T:
        """What ``query`` returns on a connection that cannot write.

        All its statements see one state. A query is run again once when the server closed its connection.
        Raises ``StorageFault`` or ``Unavailable``.
        """
        try:
            try:
                return self._query(query)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return self._query(query)
        except SQLAlchemyError as error:
            raise translated(error) from error

    def wal_bytes(self) -> int:
        """The size of the write-ahead log; 0 with PostgreSQL, which keeps its own elsewhere."""
        if self.backend != "sqlite":
            return 0
        try:
            return Path(f"{self._writing.url.database}-wal").stat().st_size
        except FileNotFoundError:
            return 0

    def spare_bytes(self) -> int:
        """What is free within the file of SQLite, and is used before it grows; 0 with PostgreSQL.

        Raises ``StorageFault`` or ``Unavailable``.
        """
        if self.backend != "sqlite":
            return 0
        return self.read(lambda c: _pragma(c, "freelist_count") * _pragma(c, "page_size"))

    def _failed(self, error: BaseException) -> None:
        """What the writer met. Our statements go past the events of the engine."""
        self._noticed(error.orig if isinstance(error, DBAPIError) else error)

    def _noticed(self, error: BaseException | None) -> None:
        self.busy += is_busy(error)
        if is_refused(error):
            self.on_refused()

    def close(self) -> None:
        """Finish every write that was accepted, then close all connections."""
        self._writer.close()
        self._writing.dispose()
        self._reading.dispose()

    def _connected_alone(self) -> Connection:
        connection = self._writing.connect()
        try:
            return writing_alone(connection)
        except BaseException:
            connection.invalidate()
            connection.close()
            raise

    def _query(self, query: Callable[[Connection], T]) -> T:
        with self._reading.connect() as connection, connection.begin():
            return query(connection)


def _pragma(connection: Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())


def _nothing() -> None:
    """Nobody wants to know."""
