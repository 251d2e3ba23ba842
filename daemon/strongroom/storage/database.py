"""``Database``: one writer that commits in groups, and readers that never wait for it."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Literal, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from strongroom.storage.engines import can_commit, parse_url, reader_engine, sqlite_url, writer_engine
from strongroom.storage.faults import translated
from strongroom.storage.host_lock import writing_alone
from strongroom.storage.schema_version import bring_up_to_date
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
        is_locked = alone and self.backend == "postgresql"
        self._writer = Writer(self._connected_alone if is_locked else writing.connect, can_commit)

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
