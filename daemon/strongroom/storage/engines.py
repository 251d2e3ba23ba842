"""SQLAlchemy engines for the one writer and for readers, on both databases."""

import os
import sqlite3
import time
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, PoolProxiedConnection, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import IsolationLevel
from sqlalchemy.exc import ArgumentError

from strongroom.errors import Misconfigured, StorageFault

__all__ = [
    "CONNECT_TIMEOUT_S",
    "can_commit",
    "check_there",
    "file_engine",
    "looking_engine",
    "looking_uri",
    "parse_url",
    "reader_engine",
    "sqlite_url",
    "unusable_file",
    "writer_engine",
]

BUSY_TIMEOUT_MS: Final = 10_000  # only another program can hold the lock; it gets this long to let go
BUSY_RETRY_S: Final = 0.01  # how often a lock is asked for that SQLite does not wait for itself
READERS_MAX: Final = 16  # open reading connections; a query beyond that waits for one of them
READER_WAIT_S: Final = 10.0
CONNECT_TIMEOUT_S: Final = 10

_SQLITE_WRITER: Final = (
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # a commit that returned has reached the disk
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",  # a schema changed from outside must not call functions
    "PRAGMA journal_size_limit=67108864",  # give a WAL that once grew large back to the disk
)
_SQLITE_READER: Final = (
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    "PRAGMA query_only=ON",
    "PRAGMA trusted_schema=OFF",
)
_SQLITE_COPY: Final = (
    "PRAGMA journal_mode=DELETE",
    "PRAGMA synchronous=OFF",  # a copy that a crash damages is made again
    "PRAGMA trusted_schema=OFF",
)
_POSTGRESQL_WRITER: Final = ("SET synchronous_commit TO on",)
_POSTGRESQL_READER: Final = ("SET default_transaction_read_only TO on",)


def parse_url(text: str) -> URL:
    """The database that ``text`` names. Raises ``Misconfigured`` for anything but a SQLite file or PostgreSQL."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The text may hold a password, so it is not repeated.
        raise _wrong("it is no database URL") from None
    if url.drivername in {"postgresql", "postgres"}:
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in {"sqlite", "postgresql+psycopg"}:
        raise _wrong(f"{url.drivername} is not supported")
    if url.drivername == "sqlite" and (not url.database or url.database.startswith((":memory:", "file:"))):
        raise _wrong("SQLite needs the path of a file")
    if url.drivername == "sqlite" and "?" in text:
        # What follows would be dropped or read as options, and the file would be another than the one that was named.
        raise _wrong("a SQLite file takes no options; a question mark in its path is written %3F")
    return url


def sqlite_url(path: Path) -> URL:
    """The SQLite file at ``path``, whatever characters are in it: nothing of it is read as a part of a URL."""
    return URL.create("sqlite", database=str(path))


def check_there(url: URL) -> None:
    """Raise ``StorageFault`` for a SQLite file that is not there: opening it would make it."""
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        raise StorageFault(
            "SR-STORE-061", f"there is no database at {url.database}", fix="name the host with --state-dir"
        )


def writer_engine(url: URL, **connect_args: Any) -> Engine:
    """The engine of the writer: every transaction of it may write from its first statement on."""
    if url.get_backend_name() == "sqlite":
        _make_file(Path(str(url.database)))
        return _sqlite(url, _SQLITE_WRITER, "BEGIN IMMEDIATE", connect_args)
    return _postgresql(url, _POSTGRESQL_WRITER, "READ COMMITTED")


def reader_engine(url: URL) -> Engine:
    """The engine of readers, whose connections refuse to write. A transaction of it sees one state throughout."""
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, _SQLITE_READER, "BEGIN", {})
    return _postgresql(url, _POSTGRESQL_READER, "REPEATABLE READ")


def looking_uri(path: Path) -> str:
    """The URI of a SQLite file for looking at it and leaving everything as it is.

    What another process left in the journal beside it would be put into the file by whoever closes it last, so such a
    file is opened read-only; elsewhere that would leave an empty journal behind.
    """
    journal = path.with_name(f"{path.name}-wal")
    has_journal = journal.exists() and journal.stat().st_size > 0
    return f"{path.absolute().as_uri()}?mode={'ro' if has_journal else 'rw'}"


def looking_engine(url: URL) -> Engine:
    """As ``reader_engine``, for a database that nobody may be serving: not a byte of it is changed."""
    if url.get_backend_name() != "sqlite":
        return reader_engine(url)
    uri = looking_uri(Path(str(url.database)))
    target = URL.create("sqlite", database=uri.partition("?")[0], query={"mode": uri.rpartition("=")[2], "uri": "true"})
    return _sqlite(target, _SQLITE_READER, "BEGIN", {})


def file_engine(path: Path) -> Engine:
    """The engine of a SQLite file that is being made or looked at apart, without a journal beside it."""
    return _sqlite(sqlite_url(path), _SQLITE_COPY, "BEGIN", {})


def can_commit(connection: Connection) -> bool:
    """Whether what the transaction did so far is still there to be committed."""
    driver: Any = connection.connection.dbapi_connection  # Any: sqlite3's or psycopg's, told apart below
    if isinstance(driver, sqlite3.Connection):
        return driver.in_transaction
    # psycopg begins with the first statement, so a job without one leaves its connection idle.
    return driver.info.transaction_status.name in {"IDLE", "INTRANS"}


def _sqlite(url: URL, pragmas: tuple[str, ...], begin: str, connect_args: dict[str, Any]) -> Engine:
    engine = create_engine(
        url,
        # Transactions begin where this code says so and nowhere else; threads take turns through the pool.
        connect_args={"isolation_level": None, "check_same_thread": False, **connect_args},
        hide_parameters=True,
        pool_size=READERS_MAX,
        max_overflow=0,
        pool_timeout=READER_WAIT_S,
    )
    _on_connect(engine, pragmas)

    @event.listens_for(engine, "connect")
    def _read_any_text(driver: sqlite3.Connection, _record: object) -> None:
        # Text that was damaged on the disk must reach the MAC check, not fail the whole page that it stands on.
        driver.text_factory = _decoded

    def do_begin(connection: PoolProxiedConnection) -> None:
        # Straight to the driver: as a statement of SQLAlchemy, every transaction would pay for it.
        driver: Any = connection.driver_connection  # Any: sqlite3's, which the pool does not know
        driver.execute(begin)

    engine.dialect.do_begin = do_begin  # type: ignore[assignment]  # declared as a method, set on the one object
    return engine


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _postgresql(url: URL, settings: tuple[str, ...], isolation: IsolationLevel) -> Engine:
    engine = create_engine(
        url,
        connect_args={} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_TIMEOUT_S},
        isolation_level=isolation,
        hide_parameters=True,
        pool_size=READERS_MAX,
        max_overflow=0,
        pool_timeout=READER_WAIT_S,
    )
    _on_connect(engine, settings)
    return engine


def _on_connect(engine: Engine, statements: tuple[str, ...]) -> None:
    @event.listens_for(engine, "connect")
    def _prepare(driver: Any, _record: object) -> None:  # Any: sqlite3's or psycopg's connection
        cursor = driver.cursor()
        for statement in statements:
            _execute(cursor, statement)
        cursor.close()
        driver.commit()


def _execute(cursor: Any, statement: str) -> None:  # Any: as above
    """Execute ``statement``, waiting as long as for any lock when another connection is in the way.

    Two connections that turn a new file to WAL at once are told "busy" without the wait that ``busy_timeout`` promises.
    """
    until_s = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= until_s:
                raise
            time.sleep(BUSY_RETRY_S)
        else:
            return


def _make_file(path: Path) -> None:
    """Create the file with mode 0600 before SQLite would with the umask's; its WAL takes the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        # SQLite syncs the names of files that it makes itself, and this one it did not make.
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise unusable_file(path, error) from error


def unusable_file(path: Path, error: OSError) -> StorageFault:
    """What is wrong with a file of the database, or with the one beside it."""
    return StorageFault(
        "SR-STORE-011",
        f"the database file {path} cannot be opened",
        why=error.strerror or type(error).__name__,
        fix="make its directory, and let the user of the daemon write there",
    )


def _wrong(why: str) -> Misconfigured:
    return Misconfigured(
        "SR-STORE-012",
        "database_url is wrong",
        why=why,
        fix="write sqlite:///path/to/file.db or postgresql+psycopg://user@host/database",
        where="database_url",
    )
