"""``Table``: rows of a versioned schema in a store, written and read.

Every write checks against the latest schema first: what was written reads back. A write is one transaction, a bulk one
a transaction for each chunk, so that others get their turn between chunks.
Source: contracts/workspace-encryption.md 8 and 17.8.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

from pydantic import BaseModel

from strongroom.workspace.document import Document
from strongroom.workspace.encrypted import EncryptedStore
from strongroom.workspace.reading import Absent, Present
from strongroom.workspace.row_schema import RowSchema
from strongroom.workspace.table_errors import RowError, UnreadableRow
from strongroom.workspace.table_reading import TableReading

__all__ = ["DELETE_CHUNK_ROWS", "SET_CHUNK_ROWS", "Table"]

SET_CHUNK_ROWS: Final = 1000  # the contract's
DELETE_CHUNK_ROWS: Final = 2500  # the contract's

T = TypeVar("T")
Progress = Callable[[float], None]


class Table(TableReading):
    """A table that is read and written."""

    def __init__(self, schema: RowSchema, store: EncryptedStore, document: Document) -> None:
        """The table of ``schema`` in ``store``, which is of ``document``."""
        super().__init__(schema, store)
        self._document = document

    def reading(self) -> TableReading:
        """This table without its writes."""
        return TableReading(self.schema, self._store)

    def set(self, row: BaseModel | Mapping[str, object]) -> None:
        """Store ``row`` in place of what has its id.

        Raises ``InvalidInput`` for what the latest schema refuses, ``LimitExceeded`` above a limit.
        """
        row_id, stored = self.schema.stored(row)
        self._store.set(row_id, stored)

    def update(self, row_id: str, changes: Mapping[str, object]) -> BaseModel | RowError | None:
        """The row with ``changes`` on top, stored; its id stays.

        ``None`` where there is no such row, and why where it cannot be had or would not be valid: nothing is written.
        """
        with self._document.transaction():
            reading = self._store.read(row_id)
            if isinstance(reading, Absent):
                return None
            if not isinstance(reading, Present):
                return UnreadableRow(row_id, reading.reason, reading.key_version)
            merged = self.schema.merged(row_id, reading.value, changes)
            if isinstance(merged, RowError):
                return merged
            row, stored = merged
            self._store.set(row_id, stored)
            return row

    def bulk_set(self, rows: Iterable[BaseModel | Mapping[str, object]], progress: Progress | None = None) -> None:
        """Store all ``rows``, of two with one id the later; ``progress`` gets a share in (0, 1] after each chunk.

        All are checked before the first is written. Raises as ``set`` does.
        """
        stored = dict(self.schema.stored(row) for row in rows)
        entries = list(stored.items())
        _in_chunks(entries, SET_CHUNK_ROWS, self._store.bulk_set, progress)

    def delete(self, row_id: str) -> None:
        """Remove what is stored under ``row_id``, a row or not. Nothing happens where nothing is."""
        self._store.delete(row_id)

    def bulk_delete(self, row_ids: Iterable[str], progress: Progress | None = None) -> None:
        """Remove all of ``row_ids``; ``progress`` gets a share in (0, 1] after each chunk. Missing ones are ignored."""
        _in_chunks(list(dict.fromkeys(row_ids)), DELETE_CHUNK_ROWS, self._store.bulk_delete, progress)

    def clear(self) -> None:
        """Remove every entry, also those that cannot be read."""
        self._store.clear()

    def transact(self, work: Callable[[], T]) -> T:
        """Run ``work`` as one transaction: observers hear of it once. Returns what it returns."""
        with self._document.transaction():
            return work()


def _in_chunks(items: list[T], chunk_items: int, write: Callable[[list[T]], object], progress: Progress | None) -> None:
    for start in range(0, len(items), chunk_items):
        chunk = items[start : start + chunk_items]
        write(chunk)
        if progress is not None:
            progress((start + len(chunk)) / len(items))
