"""The rows of an update log: as they are written, as they are found, and a reader that never writes."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from strongroom.errors import LimitExceeded
from strongroom.storage.update_log_file import fault_of, open_read_only

__all__ = [
    "ROW_BYTES_MAX",
    "NewRow",
    "Row",
    "Sizes",
    "check_size",
    "one_of_each_version",
    "page_after",
    "read_rows",
    "row_of",
]

ROW_BYTES_MAX: Final = 256 * 2**20
"""The whole state of a workspace is one row; a state beyond this would not fit a daemon's memory either."""
PAGE_ROWS: Final = 256
"""How many rows are read at once: a reader never holds the log for longer, whatever its size."""

_COLUMNS: Final = f"id, purpose, key_version, length(data), CASE WHEN length(data) <= {ROW_BYTES_MAX} THEN data END"
_PAGE: Final = f"SELECT {_COLUMNS} FROM log_rows WHERE id > ? ORDER BY id LIMIT {PAGE_ROWS}"  # noqa: S608 - constants
_OF_EACH: Final = f"SELECT {_COLUMNS} FROM log_rows WHERE id IN (SELECT max(id) FROM log_rows GROUP BY key_version)"  # noqa: S608 - constants only
_ONE: Final = f"SELECT {_COLUMNS} FROM log_rows WHERE id = ?"  # noqa: S608 - constants only
BEFORE_ALL: Final = -(2**63)


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row to be written. ``key_version`` is 0 for bytes that the log's owner did not seal."""

    purpose: str
    key_version: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it lies in the file. ``data`` is ``None`` when it is no bytes or longer than a row may be."""

    id: int
    purpose: str
    key_version: int
    size: int
    data: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much a log holds: rows, and the bytes of their data."""

    rows: int
    bytes: int


def read_rows(path: Path) -> list[Row]:
    """The rows of the log at ``path`` as of one moment, also while its writer has it open; nothing is written.

    A missing file has none. Raises ``StorageFault``.
    """
    if not path.exists():
        return []
    found: list[Row] = []
    with closing(open_read_only(path)) as database:
        try:
            database.execute("BEGIN")
            while page := page_after(database, found[-1].id if found else BEFORE_ALL):
                found += page
        except sqlite3.Error as error:
            raise fault_of(path, error) from error
    return found


def one_of_each_version(path: Path) -> list[Row]:
    """The newest row of each key version of the log at ``path``; nothing is written. Raises ``StorageFault``."""
    with closing(open_read_only(path)) as database:
        try:
            return [_row(each) for each in database.execute(_OF_EACH)]
        except sqlite3.Error as error:
            raise fault_of(path, error) from error


def page_after(database: sqlite3.Connection, last_id: int) -> list[Row]:
    """The next rows behind ``last_id``, none when there are no more."""
    return [_row(found) for found in database.execute(_PAGE, (last_id,))]


def row_of(database: sqlite3.Connection, row_id: int) -> list[Row]:
    """The row ``row_id``, if it is there."""
    return [_row(found) for found in database.execute(_ONE, (row_id,))]


def whole(value: object) -> int:
    """``value`` where a number should stand, or -1: the file may have been changed from outside."""
    return value if isinstance(value, int) else -1


def check_size(row: NewRow) -> None:
    """Raise ``LimitExceeded`` for a row that is too long."""
    if len(row.data) > ROW_BYTES_MAX:
        raise LimitExceeded(
            "SR-STORE-051",
            "an update is too long for its log",
            why=f"it has {len(row.data)} bytes, at most {ROW_BYTES_MAX} are kept in one row",
            fix="divide the workspace",
            size=len(row.data),
            limit=ROW_BYTES_MAX,
        )


def _row(found: tuple[object, ...]) -> Row:
    number, purpose, version, size, data = found
    return Row(whole(number), str(purpose), whole(version), whole(size), data if isinstance(data, bytes) else None)
