"""A SQLite file that shows plaintext to other programs of its user. It is made again at each start and never read back.

Rule 1: it is made beside its place and takes it in one step, so readers find the old view or the whole new one.
Rule 2: only a file that carries our application id is replaced or deleted; links are refused.
Rule 3: mode 0600, and what is deleted is overwritten in the file (``secure_delete``).

What it shows and where it may stand is for ``workspace.materialize`` to say.
"""

import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.errors import Misconfigured, StorageFault

__all__ = ["APPLICATION_ID", "Cell", "PlainTable", "PlainView", "not_ours", "view_fault"]

APPLICATION_ID: Final = 0x53525657  # "SRVW"
BUSY_TIMEOUT_S: Final = 5.0
"""A reader holds a lock for as long as it copies a page range; longer means somebody sits in a transaction."""
CHECKPOINT_PAGES: Final = 256
"""A small write-ahead file: plaintext that was deleted leaves it soon."""

_HEADER_BYTES: Final = 100
_MAGIC: Final = b"SQLite format 3\x00"
_BESIDE: Final = ("-wal", "-shm", "-journal")

Cell = None | int | float | str


@dataclass(frozen=True, slots=True)
class PlainTable:
    """A table: its name, its columns, and how many of them, from the left, are its key."""

    name: str
    columns: tuple[str, ...]
    key_columns: int = 1


class PlainView:
    """The open file. Used by one thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Use ``build``."""
        self.path = path
        self._connection = connection
        self._tables: set[str] = set()

    @classmethod
    def build(
        cls, path: Path, tables: Iterable[PlainTable], batches: Iterable[Sequence[tuple[PlainTable, Sequence[Cell]]]]
    ) -> "PlainView":
        """A new view at ``path`` with ``tables`` and the rows of ``batches``, in place of the one there.

        Raises ``Misconfigured`` when something else stands there, ``StorageFault`` when it cannot be written.
        """
        building = _building(path)
        with _faults(path):
            _check_ours(path)
            _delete(building)
            os.close(os.open(building, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            view = cls(building, _connect(building))
        try:
            with _faults(path):
                view._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            view.apply((), (), tables=tables)
            for batch in batches:
                view.apply((), batch)
            view.close()
            with _faults(path):
                # The write-ahead file of the old view must not meet the new one.
                _delete_beside(path)
                building.replace(path)
                view.path, view._connection = path, _connect(path)
                view._connection.execute("PRAGMA journal_mode = WAL")
                view._connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        except BaseException:
            view.close()
            _delete(building)
            raise
        return view

    def apply(
        self,
        gone: Sequence[tuple[PlainTable, Sequence[Cell]]],
        rows: Sequence[tuple[PlainTable, Sequence[Cell]]],
        *,
        tables: Iterable[PlainTable] = (),
    ) -> None:
        """Remove the keys ``gone``, then put ``rows`` in place of what has their keys: all of it or nothing.

        Tables that are not there are made, ``tables`` also where they stay empty. Raises ``StorageFault``.
        """
        named = dict.fromkeys([*tables, *(table for table, _ in gone), *(table for table, _ in rows)])
        missing = [table for table in named if table.name not in self._tables]
        with _faults(self.path), _transaction(self._connection):
            for table in missing:
                self._connection.execute(_create_statement(table))
            for table, key in gone:
                self._connection.execute(_delete_statement(table), [_writable(cell) for cell in key])
            for table, cells in rows:
                self._connection.execute(_put_statement(table), [_writable(cell) for cell in cells])
        self._tables |= {table.name for table in missing}

    def close(self) -> None:
        """Close the file, which stays."""
        self._connection.close()

    @staticmethod
    def remove(path: Path) -> bool:
        """Delete the view at ``path``. ``False`` where something else stands there, which stays."""
        with _faults(path):
            _delete(_building(path))
            try:
                if _check_ours(path):
                    _delete(path)
            except Misconfigured:
                return False
            return True


def _building(path: Path) -> Path:
    return path.with_name(f".{path.name}.building")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    # A view that a crash of the machine damages is made again, so nothing waits for the disk.
    for pragma in ("synchronous = OFF", "secure_delete = ON", "trusted_schema = OFF", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        # The text of SQLite names tables and columns, never values.
        raise view_fault(path, str(error)) from error


def view_fault(path: Path, why: str) -> StorageFault:
    """What to raise when a plaintext view at ``path``, of any kind, cannot be written."""
    return StorageFault(
        "SR-WS-066",
        f"the plaintext view {path.name} cannot be written",
        why=why,
        fix=f"look at {path.parent}: space, permissions; the workspace itself is not affected",
    )


def _check_ours(path: Path) -> bool:
    """Whether a view of ours stands at ``path``; ``False`` where nothing does. Raises ``Misconfigured`` otherwise."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        raise not_ours(path) from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise not_ours(path)
        head = os.read(descriptor, _HEADER_BYTES)
    finally:
        os.close(descriptor)
    if head[: len(_MAGIC)] == _MAGIC and head[68:72] == APPLICATION_ID.to_bytes(4, "big"):
        return True
    raise not_ours(path)


def not_ours(path: Path) -> Misconfigured:
    """What to raise when a plaintext view, of any kind, would stand where something else is."""
    return Misconfigured(
        "SR-WS-067",
        f"{path} is not a view that strongroom made",
        why="it is a link, another kind of file, or carries no mark of ours",
        fix="move it away; nothing was changed",
        where=str(path),
    )


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    _delete_beside(path)


def _delete_beside(path: Path) -> None:
    for ending in _BESIDE:
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _writable(cell: Cell) -> Cell:
    """SQLite takes UTF-8 only; half a surrogate pair becomes the sign for what cannot be shown."""
    if isinstance(cell, str) and not cell.isascii():
        return cell.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return cell


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _create_statement(table: PlainTable) -> str:
    columns = ", ".join(_quoted(column) for column in table.columns)
    key = ", ".join(_quoted(column) for column in table.columns[: table.key_columns])
    # Columns have no type, so SQLite keeps every value as it came.
    return f"CREATE TABLE {_quoted(table.name)} ({columns}, PRIMARY KEY ({key}))"


def _put_statement(table: PlainTable) -> str:
    marks = ", ".join("?" for _ in table.columns)
    return f"INSERT OR REPLACE INTO {_quoted(table.name)} VALUES ({marks})"  # noqa: S608 - the name is quoted


def _delete_statement(table: PlainTable) -> str:
    wanted = " AND ".join(f"{_quoted(column)} = ?" for column in table.columns[: table.key_columns])
    return f"DELETE FROM {_quoted(table.name)} WHERE {wanted}"  # noqa: S608 - the names are quoted
