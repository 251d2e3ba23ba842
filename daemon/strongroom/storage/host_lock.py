"""One host per database: a lock that goes with the process that has it, however that ends.

Two hosts on one database would both execute what is unfinished there, and send every call twice. For SQLite it is a
lock on a file beside the database, for PostgreSQL an advisory lock of one session. Such a session can end although its
host goes on, so ``keep`` is called again and again. In between nothing is written by a host that was replaced: the
session that writes has a lock of its own, which goes with that session.
"""

import contextlib
import fcntl
import os
import socket
import time
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from strongroom.errors import Unavailable
from strongroom.storage.engines import CONNECT_TIMEOUT_S, parse_url, sqlite_url, unusable_file
from strongroom.storage.faults import translated

__all__ = ["SUFFIX", "HostLock", "lock_database", "writing_alone"]

SUFFIX: Final = ".lock"
TAKEN: Final = "SR-APP-007"
FREED_S: Final = 1.0
"""A server needs a moment to see that a host was killed; that host must not be in the way of the next one."""
LOOK_S: Final = 0.02
HOLDER_BYTES_MAX: Final = 200
"""Longer than any line that a host leaves in its lock file."""
_KEY: Final = 0x5354_524F
"""Any constant will do, as long as it never changes. The schema is added: another one holds another deployment."""
_KEY_OF_WRITER: Final = 0x5354_5257
"""Another one, for the session that writes."""
_TAKE: Final = text("SELECT pg_try_advisory_lock(:key, hashtext(current_schema()))")
_HOLDER: Final = text(
    "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory' AND granted"
    " AND classid = :key AND objid::bigint = hashtext(current_schema())::bigint & 4294967295 AND objsubid = 2"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_BE_NAMED: Final = text("SELECT set_config('application_name', :name, false)")
_FREE: Final = text("SELECT pg_advisory_unlock_all()")
_ALIVE: Final = text("SELECT 1")
# A server notices within half a minute that the machine of a host is gone, and the host that its server is.
_SESSION: Final = (
    "SET tcp_keepalives_idle TO 10",
    "SET tcp_keepalives_interval TO 5",
    "SET tcp_keepalives_count TO 4",
)
_LIBPQ: Final = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4, "tcp_user_timeout": 30_000}


class HostLock(Protocol):
    """Held from when it is there until ``release`` or the end of the process."""

    def keep(self) -> bool:
        """Take it again where it was lost. Whether it never was. Raises ``Unavailable`` when another host has it now,
        or when the server does not answer."""

    def release(self) -> None:
        """Let another host in."""


def lock_database(place: str | Path) -> HostLock:
    """The lock of the database at ``place``, which need not exist yet.

    Raises ``Unavailable`` naming the host that has it, or when the server does not answer, ``StorageFault`` when the
    directory cannot be written, ``Misconfigured`` for a URL that is none.
    """
    url = sqlite_url(place) if isinstance(place, Path) else parse_url(place)
    if url.get_backend_name() == "sqlite":
        return _FileLock(Path(str(url.database)))
    return _SessionLock(url)


def writing_alone(connection: Connection) -> Connection:
    """``connection``, which alone may write to its PostgreSQL from now on, for as long as its session lasts.

    Raises ``Unavailable`` while the session of another host may.
    """
    until_s = time.monotonic() + FREED_S
    for statement in _SESSION:
        connection.exec_driver_sql(statement)
    connection.execute(_BE_NAMED, {"name": _name()})
    while not connection.execute(_TAKE, {"key": _KEY_OF_WRITER}).scalar_one():
        if time.monotonic() >= until_s:
            holder = connection.execute(_HOLDER, {"key": _KEY_OF_WRITER}).scalar()
            raise _taken(str(holder or ""), connection.engine.url.database or "")
        connection.commit()
        time.sleep(LOOK_S)
    connection.commit()
    return connection


class _FileLock:
    def __init__(self, database: Path) -> None:
        # Whatever link leads to the file, its lock is one.
        path = database.resolve().with_name(f"{database.resolve().name}{SUFFIX}")
        try:
            # The lock itself is no link: what it led to would be emptied, by root too.
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unusable_file(database, error) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, HOLDER_BYTES_MAX, 0).decode("utf-8", "replace").strip()
            os.close(self._descriptor)
            raise _taken(holder, str(database)) from None
        except OSError as error:
            os.close(self._descriptor)
            raise unusable_file(path, error) from error
        # That another host is told who has it is worth less than the start, so a full disk is no reason to refuse.
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{_name()}\n".encode(), 0)

    def keep(self) -> bool:
        # The kernel keeps it.
        return True

    def release(self) -> None:
        os.close(self._descriptor)


class _SessionLock:
    def __init__(self, url: URL) -> None:
        # Not the URL: it may hold a password, in more places than one.
        self._place = url.database or ""
        options = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": _name(), **_LIBPQ}
        self._engine: Engine = create_engine(
            url,
            connect_args={name: value for name, value in options.items() if name not in url.query},
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            poolclass=NullPool,
        )
        self._connection: Connection | None = None
        until_s = time.monotonic() + FREED_S
        while self._connection is None:
            try:
                self.keep()
            except Unavailable as error:
                if error.code != TAKEN or time.monotonic() >= until_s:
                    raise
                time.sleep(LOOK_S)

    def keep(self) -> bool:
        try:
            if self._connection is not None:
                self._connection.execute(_ALIVE)
                return True
        except SQLAlchemyError:
            self._disconnect()
        try:
            self._connection = self._taken()
        except SQLAlchemyError as error:
            raise translated(error) from error
        return False

    def release(self) -> None:
        if self._connection is not None:
            # The server would see a moment later that the session is over.
            with contextlib.suppress(SQLAlchemyError):
                self._connection.execute(_FREE)
        self._disconnect()

    def _taken(self) -> Connection:
        connection = self._engine.connect()
        try:
            for statement in _SESSION:
                connection.exec_driver_sql(statement)
            if connection.execute(_TAKE, {"key": _KEY}).scalar_one():
                return connection
            raise _taken(str(connection.execute(_HOLDER, {"key": _KEY}).scalar() or ""), self._place)
        except BaseException:
            connection.close()
            raise

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # It may be broken, which ends the session as well.
            with contextlib.suppress(SQLAlchemyError):
                connection.close()


def _name() -> str:
    """This host, within the 63 bytes that PostgreSQL keeps of the name of a session."""
    return f"strongroom process {os.getpid()} on {socket.gethostname()}"[:63]


def _taken(holder: str, place: str) -> Unavailable:
    return Unavailable(
        "SR-APP-007",
        f"another strongroom host ({holder or 'unknown'}) has the database {place}",
        why="two hosts on one database would execute every unfinished run twice",
        fix="stop that host, or give this one a database of its own (database_url)",
        holder=holder,
    )
