"""``UpdateLog``: rows of bytes in the order they came, on disk when ``append`` returns. All its SQL is here.

Rule 1: one writer. A second one on the same file is refused; readers (``update_log_rows.read_rows``) never write.
Rule 2: callers of ``append`` that come at the same time share one commit, and so one flush of the disk.
Rule 3: replacing rows is one transaction. ``scrub`` then takes what they held off the file and out of its WAL.
Rule 4: ids only go up and no id is given twice, so a row can be sealed to its id before it is written (``reserve``).
"""

import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.errors import StorageFault, Unavailable
from strongroom.storage.update_log_file import fault_of, hold, open_file
from strongroom.storage.update_log_rows import BEFORE_ALL, NewRow, Row, Sizes, check_size, page_after, row_of, whole

__all__ = ["UpdateLog"]

_INSERT: Final = "INSERT INTO log_rows (id, purpose, key_version, data) VALUES (?, ?, ?, ?)"
_SET: Final = "INSERT INTO log_meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_LAST_ID: Final = (
    "SELECT max(coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = 'log_rows' AND seq < ?1), 0),"
    " coalesce((SELECT max(id) FROM log_rows WHERE id < ?1), 0))"
)
ID_MAX: Final = 2**62
"""No log gets there; a larger id was written by somebody else, and must not use up the ids of this one."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """One call of ``append`` and its answer. ``first_id`` 0 lets the log choose."""

    rows: Sequence[NewRow]
    first_id: int
    meta: Mapping[str, bytes]
    done: bool = False
    failure: BaseException | None = None


class UpdateLog:
    """The open file. Every method may be called from any thread; all raise ``StorageFault`` or ``Unavailable``."""

    def __init__(self, path: Path) -> None:
        """Open ``path``, or make it (0600, its directory 0700). Raises ``Unavailable`` while another writer has it."""
        self.path = path
        self._gathering = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._lock = threading.RLock()
        self._closed = False
        self._held = hold(path)
        try:
            self._database = open_file(path)
            try:
                self._last_id = int(self._one(_LAST_ID, ID_MAX)[0])
            except BaseException:
                self._database.close()
                raise
        except BaseException:
            os.close(self._held)
            raise

    def reserve(self, count: int = 1) -> int:
        """The first of ``count`` ids that nothing else gets: rows can be sealed to them before they are written."""
        with self._lock:
            first = self._last_id + 1
            self._last_id += count
            return first

    def append(
        self, rows: Sequence[NewRow], *, first_id: int = 0, meta: Mapping[str, bytes] | None = None
    ) -> list[int]:
        """Write ``rows``, and ``meta`` with them; their ids, once all of it is on disk. ``first_id`` is a reserved one.

        Raises ``LimitExceeded`` for a row that is too long; nothing of the call is written when it raises.
        """
        for row in rows:
            check_size(row)
        waiting = _Waiting(rows, first_id, meta or {})
        with self._gathering:
            self._waiting.append(waiting)
        with self._lock:
            if not waiting.done:
                self._commit_waiting()
        if waiting.failure is not None:
            raise waiting.failure
        return list(range(waiting.first_id, waiting.first_id + len(rows)))

    def replace(
        self, ids: Collection[int], *rows: NewRow, first_id: int = 0, meta: Mapping[str, bytes] | None = None
    ) -> int:
        """Put ``rows`` in the place of the rows ``ids``, in one transaction; the first id. ``scrub`` does the rest."""
        for row in rows:
            check_size(row)
        with self._transaction():
            chosen = first_id or self.reserve(len(rows))
            self._database.executemany("DELETE FROM log_rows WHERE id = ?", ((each,) for each in ids))
            values = ((number, row.purpose, row.key_version, row.data) for number, row in enumerate(rows, chosen))
            self._database.executemany(_INSERT, values)
            self._database.executemany(_SET, (meta or {}).items())
        return chosen

    def delete(self, ids: Collection[int], *, meta: Mapping[str, bytes] | None = None) -> None:
        """Delete the rows ``ids`` in one transaction."""
        with self._transaction():
            self._database.executemany("DELETE FROM log_rows WHERE id = ?", ((each,) for each in ids))
            self._database.executemany(_SET, (meta or {}).items())

    def scrub(self) -> None:
        """Give the room of deleted rows back and empty the WAL, so that nothing of them is left in either file.

        Raises ``Unavailable`` while a reader is in the way; the next call, or ``close``, finishes it.
        """
        with self._using():
            # As a script: each step of this pragma frees one page, and it has no rows that a cursor would ask for.
            self._database.executescript("PRAGMA incremental_vacuum")
            busy, _pages, _moved = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise Unavailable(
                    "SR-STORE-048",
                    f"replaced rows are still in the WAL of {self.path}",
                    why="somebody reads the log",
                    fix="close what looks into it; the next compaction, or closing the log, takes them out",
                )

    def rows(self, ids: Iterable[int] | None = None) -> Iterator[Row]:
        """The rows in order, or those of ``ids`` that are there, read in pages."""
        if ids is not None:
            for each in ids:
                with self._using():
                    found = row_of(self._database, each)
                yield from found
            return
        last_id = BEFORE_ALL
        while True:
            with self._using():
                page = page_after(self._database, last_id)
            if not page:
                return
            yield from page
            last_id = page[-1].id

    def ids(self) -> list[int]:
        """The ids of all rows, in order."""
        with self._using():
            return [each for (each,) in self._database.execute("SELECT id FROM log_rows ORDER BY id")]

    def sizes(self) -> Sizes:
        """How many rows there are, and how many bytes they hold."""
        return Sizes(*self._one("SELECT count(*), coalesce(sum(length(data)), 0) FROM log_rows"))

    def key_versions(self) -> Counter[int]:
        """How many rows there are of each key version, as their columns say."""
        with self._using():
            counts = self._database.execute("SELECT key_version, count(*) FROM log_rows GROUP BY key_version")
            return Counter({whole(version): count for version, count in counts})

    def meta(self, name: str) -> bytes | None:
        """The value that ``set_meta`` or a write left under ``name``."""
        with self._using():
            found = self._database.execute("SELECT value FROM log_meta WHERE name = ?", (name,)).fetchone()
        return bytes(found[0]) if found and isinstance(found[0], bytes) else None

    def set_meta(self, name: str, value: bytes) -> None:
        """Keep ``value`` under ``name``; on disk when this returns."""
        with self._transaction():
            self._database.execute(_SET, (name, value))

    def damage(self) -> list[str]:
        """What SQLite finds wrong with the file, empty when it is sound. Reads all of it."""
        try:
            with self._using():
                found = [str(text) for (text,) in self._database.execute("PRAGMA integrity_check")]
        except StorageFault as fault:
            # Where a page cannot be read at all the check ends with an error instead of a finding.
            return [fault.why]
        return [] if found == ["ok"] else found

    def close(self) -> None:
        """Let go of the file; another writer may open it then. What ``append`` returned for is on disk already."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                self._database.close()
            finally:
                os.close(self._held)

    def _commit_waiting(self) -> None:
        """Write what every waiting caller brought in one commit. Whoever has the lock does it for all of them."""
        with self._gathering:
            batch, self._waiting = self._waiting, []
        try:
            with self._transaction():
                for waiting in batch:
                    waiting.first_id = waiting.first_id or self.reserve(len(waiting.rows))
                    numbered = enumerate(waiting.rows, waiting.first_id)
                    values = ((number, row.purpose, row.key_version, row.data) for number, row in numbered)
                    self._database.executemany(_INSERT, values)
                    self._database.executemany(_SET, waiting.meta.items())
        except BaseException as error:  # every caller of the batch is told, the leader among them
            for waiting in batch:
                waiting.failure = error
        finally:
            for waiting in batch:
                waiting.done = True

    def _one(self, query: str, *bound: int) -> tuple[int, ...]:
        with self._using():
            found: tuple[int, ...] = self._database.execute(query, bound).fetchone()
            return found

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """A transaction that writes: on disk when the block is left, or undone."""
        with self._using():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                if not self._database.in_transaction:
                    # SQLite ends a transaction by itself when the disk fails; going on would look like success.
                    raise StorageFault(
                        "SR-STORE-049", f"a write to the update log {self.path} was undone", why="the disk failed"
                    )
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _using(self) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise Unavailable("SR-STORE-050", f"the update log {self.path} is closed", why="it is unmounted")
            try:
                yield
            except sqlite3.Error as error:
                raise fault_of(self.path, error) from error
