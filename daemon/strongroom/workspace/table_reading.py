"""Reading a table: rows of the latest schema, and the entries that are none as values.

Source: contracts/workspace-encryption.md 8.
"""

from collections.abc import Callable, Iterator, Mapping

from pydantic import BaseModel

from strongroom.workspace.encrypted import EncryptedStore
from strongroom.workspace.entry import Change
from strongroom.workspace.reading import Absent, Present, Reading
from strongroom.workspace.row_schema import RowSchema
from strongroom.workspace.table_errors import RowError, UnreadableRow

__all__ = ["TableReading"]


class TableReading:
    """The read-only form of a table, to hand to what must not write."""

    def __init__(self, schema: RowSchema, store: EncryptedStore) -> None:
        """The table of ``schema`` in ``store``."""
        self.schema = schema
        self._store = store

    @property
    def name(self) -> str:
        """The table's name, without the prefix of its array."""
        return self.schema.name

    def get(self, row_id: str) -> BaseModel | RowError | None:
        """The row, why it cannot be had, or ``None`` where there is none."""
        return self._row(row_id, self._store.read(row_id))

    def rows(self) -> Iterator[tuple[str, BaseModel | RowError]]:
        """Every entry by its id, in the store's order, one after the other."""
        for row_id, reading in self._store.reads():
            row = self._row(row_id, reading)
            if row is not None:
                yield row_id, row

    def get_all(self) -> list[BaseModel | RowError]:
        """Every row, and every reason why one is none."""
        return [row for _, row in self.rows()]

    def get_all_valid(self) -> list[BaseModel]:
        """The rows that can be had."""
        return [row for _, row in self.rows() if isinstance(row, BaseModel)]

    def get_all_invalid(self) -> list[RowError]:
        """The entries that are no rows, with their reasons."""
        return [row for _, row in self.rows() if isinstance(row, RowError)]

    def filter(self, predicate: Callable[[BaseModel], bool]) -> list[BaseModel]:
        """The rows for which ``predicate`` holds; entries that are no rows are skipped."""
        return [row for row in self.get_all_valid() if predicate(row)]

    def find(self, predicate: Callable[[BaseModel], bool]) -> BaseModel | None:
        """The first row for which ``predicate`` holds; entries that are no rows are skipped."""
        rows = (row for _, row in self.rows() if isinstance(row, BaseModel))
        return next((row for row in rows if predicate(row)), None)

    def count(self) -> int:
        """How many entries are stored, rows or not."""
        return self._store.size

    def has(self, row_id: str) -> bool:
        """Whether something is stored under ``row_id``, a row or not."""
        return self._store.has(row_id)

    def observe(self, callback: Callable[[frozenset[str], object], None]) -> Callable[[], None]:
        """Call ``callback(changed ids, origin)`` once for each transaction with changes. Returns a disposer."""

        def handler(changes: Mapping[str, Change], origin: object) -> None:
            callback(frozenset(changes), origin)

        return self._store.observe(handler)

    def _row(self, row_id: str, reading: Reading) -> BaseModel | RowError | None:
        if isinstance(reading, Absent):
            return None
        if isinstance(reading, Present):
            return self.schema.read(row_id, reading.value)
        return UnreadableRow(row_id, reading.reason, reading.key_version)
