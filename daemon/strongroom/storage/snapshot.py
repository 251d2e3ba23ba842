"""One state of a database as a SQLite file, copied while others write: the same for SQLite and for PostgreSQL.

Rule 1: what is copied is what was committed when ``Snapshot`` was made, however long the copy takes.
Rule 2: no lock of a writer is held, and no more than a few megabytes are in memory at once.
Rule 3: the copy is one file without a journal beside it; rows stand in it as they stood, sealed where they were.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from strongroom.errors import StorageFault
from strongroom.storage.copying import Told, copy_rows
from strongroom.storage.engines import file_engine, parse_url, reader_engine, sqlite_url
from strongroom.storage.faults import translated
from strongroom.storage.schema_version import create_at, version_of

__all__ = ["Snapshot", "Told", "copied_file", "new_private_file"]

PAGES_AT_ONCE: Final = 64
"""A quarter of a megabyte: other threads wait for a step of the copy no longer than for a commit."""
REST_SHARE: Final = 1.0
"""Of the time of a step, for which the copy then rests: a backup may take twice as long, a run may not."""
BUSY_S: Final = 10.0


class Snapshot:
    """One state of the database at ``place``, a URL or the path of a SQLite file, kept until ``close``."""

    def __init__(self, place: str | Path) -> None:
        """Hold on to the state of now. Raises ``StorageFault``, ``Unavailable``, ``Misconfigured``."""
        url = sqlite_url(place) if isinstance(place, Path) else parse_url(place)
        self.backend = url.get_backend_name()
        self._held: _SqliteState | _PostgresState = (
            _SqliteState(Path(str(url.database))) if self.backend == "sqlite" else _PostgresState(url)
        )

    def write_to(self, path: Path, told: Told) -> None:
        """Copy the state into the new file ``path``, mode 0600. ``told`` hears how much is done, and may raise."""
        self._held.write_to(path, told)

    def close(self) -> None:
        """Let go of the state."""
        self._held.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the state."""
        self.close()


def copied_file(source: Path, target: Path, told: Told = lambda _done, _total: None) -> None:
    """Copy the SQLite file ``source``, which others may write, to the new file ``target``. Raises ``StorageFault``."""
    state = _SqliteState(source)
    try:
        state.write_to(target, told)
    finally:
        state.close()


def new_private_file(path: Path) -> None:
    """Make an empty file that its owner alone can read. Raises ``OSError``."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


class _SqliteState:
    """A connection in a read transaction. The file is opened by SQLite alone: any other descriptor of it, once closed,
    would drop the locks of this process."""

    def __init__(self, file: Path) -> None:
        with _faults(file):
            self._file = file
            self._connection = sqlite3.connect(
                f"{file.absolute().as_uri()}?mode=ro",
                uri=True,
                timeout=BUSY_S,
                isolation_level=None,
                check_same_thread=False,
            )
            self._connection.execute("BEGIN")
            # The transaction has its state from the first statement on.
            self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()

    def write_to(self, path: Path, told: Told) -> None:
        with _faults(path):
            new_private_file(path)
            target = sqlite3.connect(path, isolation_level=None)
            try:
                # A copy that a crash damages is made again, so nothing waits for the disk.
                target.execute("PRAGMA synchronous=OFF")
                rest = _resting(told)
                self._connection.backup(
                    target, pages=PAGES_AT_ONCE, progress=lambda _status, left, total: rest(total - left, total)
                )
                target.execute("PRAGMA journal_mode=DELETE")
            finally:
                target.close()

    def close(self) -> None:
        self._connection.close()


class _PostgresState:
    """A connection in a repeatable read, whose state is that of its first statement."""

    def __init__(self, url: URL) -> None:
        self._engine: Engine = reader_engine(url)
        try:
            with _database_faults():
                self._connection: Connection = self._engine.connect()
                self._connection.execute(text("SELECT 1"))
        except BaseException:
            self._engine.dispose()
            raise

    def write_to(self, path: Path, told: Told) -> None:
        with _database_faults():
            new_private_file(path)
            target = file_engine(path)
            try:
                with target.begin() as connection:
                    create_at(connection, version_of(self._connection))
                    copy_rows(self._connection, connection, _resting(told))
            finally:
                target.dispose()

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()


def _resting(told: Told) -> Told:
    """``told``, and a rest behind each step in proportion to it."""
    began_s = time.monotonic()

    def after_step(done: int, total: int) -> None:
        nonlocal began_s
        told(done, total)
        time.sleep((time.monotonic() - began_s) * REST_SHARE)
        began_s = time.monotonic()

    return after_step


@contextmanager
def _faults(file: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        # The text of SQLite names tables and columns, never values.
        raise StorageFault(
            "SR-STORE-060",
            f"{file} cannot be copied",
            why=f"{type(error).__name__}: {error}",
            fix="see the disk and the file; strongroom db check looks at a database",
        ) from error


@contextmanager
def _database_faults() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise translated(error) from error
