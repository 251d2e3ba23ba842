"""The SQLite file in which Epicenter's daemon keeps the updates of one document: table ``updates (id, data)``.

The file is of another program. Its mode and its other tables are left as they are, and a reader never writes: it opens
the file read-only and treats a missing one as empty.
Source: contracts/workspace-encryption.md 10, "Daemon log".
"""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from strongroom.errors import StorageFault
from strongroom.storage.update_log_file import fault_of

__all__ = ["UPSTREAM_ROW_BYTES_MAX", "UpstreamFile", "read_upstream_rows"]

UPSTREAM_ROW_BYTES_MAX: Final = 64 * 2**20
"""Epicenter writes states of up to 2 MiB and messages of up to 5 MiB."""
BUSY_S: Final = 5.0
"""As upstream."""

_CREATE: Final = "CREATE TABLE IF NOT EXISTS updates (id INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB NOT NULL)"
_COLUMNS: Final = f"id, CASE WHEN length(data) <= {UPSTREAM_ROW_BYTES_MAX} THEN data END"
_ROWS: Final = f"SELECT {_COLUMNS} FROM updates ORDER BY id"  # noqa: S608 - constants only
_INSERT: Final = "INSERT INTO updates (data) VALUES (?)"

UpstreamRow = tuple[int, bytes | None]
"""The number of a row and its bytes; ``None`` when they are too many or none at all."""


class UpstreamFile:
    """The open file. All methods raise ``StorageFault`` or ``Unavailable``."""

    def __init__(self, path: Path) -> None:
        """Open ``path``, or make it for its owner alone."""
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise _unusable(path, error.strerror or "it cannot be created") from error
        try:
            self._database = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                # Upstream syncs less often. What is written does not differ, and more of it survives.
                for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", _CREATE):
                    self._database.execute(statement)
                _check_columns(path, self._database)
            except BaseException:
                self._database.close()
                raise
        except sqlite3.Error as error:
            raise fault_of(path, error) from error

    def rows(self) -> list[UpstreamRow]:
        """All rows in order."""
        with self._transaction():
            return _rows(self._database)

    def append(self, updates: Sequence[bytes]) -> None:
        """Add ``updates``; on disk when this returns."""
        with self._transaction():
            self._database.executemany(_INSERT, ((data,) for data in updates))

    def replace(self, ids: Sequence[int], data: bytes) -> None:
        """Put one row in the place of the rows ``ids``, in one transaction."""
        with self._transaction():
            self._database.executemany("DELETE FROM updates WHERE id = ?", ((each,) for each in ids))
            self._database.execute(_INSERT, (data,))

    def clear(self) -> None:
        """Delete all rows."""
        with self._transaction():
            self._database.execute("DELETE FROM updates")

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._database.execute("COMMIT")
                except BaseException:
                    if self._database.in_transaction:
                        self._database.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise fault_of(self.path, error) from error


def read_upstream_rows(path: Path) -> list[UpstreamRow]:
    """All rows of the file at ``path``, also while its daemon writes it. Raises ``StorageFault``."""
    if not path.exists():
        return []
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S)) as database:
            _check_columns(path, database)
            return _rows(database)
    except sqlite3.Error as error:
        raise fault_of(path, error) from error


def _rows(database: sqlite3.Connection) -> list[UpstreamRow]:
    return [(number, data if isinstance(data, bytes) else None) for number, data in database.execute(_ROWS)]


def _check_columns(path: Path, database: sqlite3.Connection) -> None:
    columns = [name for _number, name, *_others in database.execute("PRAGMA table_info(updates)")]
    if columns != ["id", "data"]:
        raise _unusable(path, f"its table of updates has the columns {', '.join(columns)[:100] or 'of none'}")


def _unusable(path: Path, why: str) -> StorageFault:
    return StorageFault(
        "SR-STORE-052",
        f"{path} is no Yjs log",
        why=why,
        fix="name the file in .epicenter/yjs of the project that Epicenter wrote",
    )
