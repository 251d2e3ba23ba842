"""The SQLite view: a file with a table for each table and key-value array of a workspace, in plaintext.

A table with a schema has a column for each member of its latest version; text, numbers and truth values stand as they
are, lists and objects as JSON. Every other array has ``id`` and ``json``. ``_problems`` names each entry that is stored
and cannot be shown, with the reason.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from strongroom.errors import Misconfigured
from strongroom.storage.plain_view import Cell, PlainTable, PlainView
from strongroom.workspace.json_value import json_text
from strongroom.workspace.materialize.names import view_name
from strongroom.workspace.materialize.shape import Problem, Shown, ViewEntry, members_of
from strongroom.workspace.workspace import Workspace

__all__ = ["PROBLEMS", "SqliteView", "check_apart"]

COLUMNS_MAX: Final = 500
"""SQLite takes 2000. A schema with more members than this is shown as JSON."""
PROBLEMS: Final = PlainTable("_problems", ("array", "id", "reason"), key_columns=2)
_JSON_COLUMNS: Final = ("id", "json")
_INTEGER_MIN, _INTEGER_MAX = -(1 << 63), (1 << 63) - 1

_Rows = list[tuple[PlainTable, Sequence[Cell]]]


class SqliteView:
    """A sink of entries that keeps the file at ``path`` in step. Used by one thread at a time."""

    def __init__(self, workspace: Workspace, path: Path, *, sealed_log: Path) -> None:
        """Show ``workspace`` at ``path``. Raises ``Misconfigured`` when that is where ``sealed_log`` is kept."""
        check_apart(path, sealed_log)
        self.path = path
        self._workspace = workspace
        self._view: PlainView | None = None
        self._tables: dict[str, PlainTable] = {}
        self._as_json: set[str] = set()

    def rebuild(self, batches: Iterable[Sequence[ViewEntry]]) -> None:
        """Make the file again from ``batches``. Raises ``Misconfigured`` and ``StorageFault`` as ``PlainView`` does."""
        self.close()
        tables = [PROBLEMS, *(self._table(array) for array in self._workspace.arrays())]
        self._view = PlainView.build(self.path, tables, self._built(batches))

    def apply(self, batch: Sequence[ViewEntry]) -> None:
        """Bring the entries of ``batch`` up to date in one transaction."""
        if self._view is None:
            self.rebuild([batch])
            return
        gone: _Rows = []
        for entry in batch:
            gone.append((self._table(entry.array), [entry.key]))
            gone.append((PROBLEMS, [entry.array, entry.key]))
        self._view.apply(gone, self._rows(batch))

    def close(self) -> None:
        """Close the file, which stays."""
        if self._view is not None:
            self._view.close()
            self._view = None

    def _built(self, batches: Iterable[Sequence[ViewEntry]]) -> Iterator[_Rows]:
        for batch in batches:
            yield self._rows(batch)

    def _rows(self, batch: Sequence[ViewEntry]) -> _Rows:
        rows: _Rows = []
        for entry in batch:
            if isinstance(entry, Problem):
                rows.append((PROBLEMS, [entry.array, entry.key, entry.reason]))
            elif isinstance(entry, Shown):
                table = self._table(entry.array)
                rows.append((table, self._cells(table, entry)))
        return rows

    def _table(self, array: str) -> PlainTable:
        if array not in self._tables:
            members = members_of(self._workspace, array)
            columns = members if members is not None and _can_be_columns(members) else _JSON_COLUMNS
            if columns is _JSON_COLUMNS:
                self._as_json.add(array)
            self._tables[array] = PlainTable(view_name(array), columns)
        return self._tables[array]

    def _cells(self, table: PlainTable, entry: Shown) -> list[Cell]:
        if entry.array in self._as_json or not isinstance(entry.value, dict):
            return [entry.key, json_text(entry.value)]
        return [_cell(entry.value.get(column)) for column in table.columns]


def check_apart(path: Path, sealed_log: Path) -> None:
    """Raise ``Misconfigured`` when a view at ``path`` would stand in the folder of the sealed log, or below it."""
    sealed = sealed_log.parent.resolve()
    if path.resolve().is_relative_to(sealed):
        raise Misconfigured(
            "SR-WS-068",
            f"a plaintext view must not stand at {path}",
            why="what is in the folder of the sealed log is taken for sealed, and may be copied as such",
            fix="keep views in a folder of their own",
            where=str(path),
        )


def _can_be_columns(members: Sequence[str]) -> bool:
    names = {member.casefold() for member in members}
    return len(names) == len(members) <= COLUMNS_MAX and all(member and "\0" not in member for member in members)


def _cell(value: object) -> Cell:
    if isinstance(value, bool):
        return int(value)
    if value is None or isinstance(value, (float, str)):
        return value
    if isinstance(value, int) and _INTEGER_MIN <= value <= _INTEGER_MAX:
        return value
    return json_text(value)
