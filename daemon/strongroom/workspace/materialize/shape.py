"""What views show of an entry: its members as JSON has them, or why they cannot be shown. Pure reading.

Rows of a defined table are shown as the latest schema has them. Everything is plaintext from here on.
"""

from dataclasses import dataclass, field

from pydantic import BaseModel

from strongroom.workspace.json_value import NotJson, normalised
from strongroom.workspace.reading import Present, Unreadable
from strongroom.workspace.table_errors import RowError
from strongroom.workspace.workspace import Workspace

__all__ = ["Gone", "Problem", "Shown", "ViewEntry", "entry_of", "members_of"]


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry and its value, made of what JSON has. Of a row of a defined table the value is an object."""

    array: str
    key: str = field(repr=False)
    value: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class Problem:
    """An entry that is stored and cannot be shown. ``reason`` holds nothing of its value."""

    array: str
    key: str = field(repr=False)
    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """An entry that is not there any more."""

    array: str
    key: str = field(repr=False)


ViewEntry = Shown | Problem | Gone


def entry_of(workspace: Workspace, array: str, key: str) -> ViewEntry:
    """What there is to show of ``key`` in ``array`` now."""
    table = workspace.table_of(array)
    if table is not None:
        row = table.get(key)
        if isinstance(row, BaseModel):
            try:
                return Shown(array, key, normalised(table.schema.dumped(row)))
            except Exception as error:  # the author's serializers, and numbers that JSON does not have
                return Problem(array, key, f"it cannot be written as JSON: {type(error).__name__}")
        return Problem(array, key, row.message) if isinstance(row, RowError) else Gone(array, key)
    reading = workspace.store(array).read(key)
    if isinstance(reading, Unreadable):
        return Problem(array, key, reading.reason)
    if not isinstance(reading, Present):
        return Gone(array, key)
    try:
        return Shown(array, key, normalised(reading.value))
    except NotJson as error:
        return Problem(array, key, str(error))


def members_of(workspace: Workspace, array: str) -> tuple[str, ...] | None:
    """The names of the members that every row of ``array`` has, ``id`` first; ``None`` where no schema says so."""
    table = workspace.table_of(array)
    return None if table is None else table.schema.members
