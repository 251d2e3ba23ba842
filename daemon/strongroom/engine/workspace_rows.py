"""One entry of a workspace as clients see it, and what they write as the workspace keeps it.

A table that a definition names is read and written through its schemas. Any other one holds objects; they get an ``id``
and the version 1, so that they are rows once somebody defines the table.
"""

import json
from collections.abc import Mapping
from typing import Final, Protocol

from strongroom.crypto.workspace_blob import get_key_version, is_encrypted_blob
from strongroom.errors import InvalidInput, LimitExceeded
from strongroom.plugin.workspace_access import WorkspaceItem
from strongroom.workspace.entry import Entry
from strongroom.workspace.json_value import VALUE_BYTES_MAX, NotJson, json_text
from strongroom.workspace.reading import Present, Reading
from strongroom.workspace.table_errors import RowError, UnreadableRow, ValidationFailed
from strongroom.workspace.workspace import KV_ARRAY, TABLE_PREFIX, Workspace

__all__ = ["array_of", "checked_json", "item_of", "place_text", "write"]

VERSION_MEMBER: Final = "_v"
FIRST_VERSION: Final = 1


class _Model(Protocol):
    def model_dump_json(self) -> str:
        """The row as JSON text."""


def array_of(table: str) -> str:
    """The array that holds ``table``; the key-values for the empty name."""
    return TABLE_PREFIX + table if table else KV_ARRAY


def place_text(array: str, key: str) -> str:
    """Where an entry is, for people: its table in front of its key."""
    return key if array == KV_ARRAY else f"{array.removeprefix(TABLE_PREFIX)}/{key}"


def item_of(workspace: Workspace, array: str, entry: Entry) -> WorkspaceItem:
    """``entry`` of ``array``, opened. The document's lock is held."""
    reading = workspace.store(array).read(entry.key)
    version = get_key_version(entry.val) if is_encrypted_blob(entry.val) else 0
    value, unreadable, faults = _opened(workspace, array, entry.key, reading)
    return WorkspaceItem(
        key=entry.key,
        json=None if unreadable else value.encode(),
        unreadable=unreadable,
        time_ms=entry.ts,
        key_version=version,
        faults=faults,
    )


def _opened(workspace: Workspace, array: str, key: str, reading: Reading) -> tuple[str, str, tuple[str, ...]]:
    """JSON text, why it cannot be read, and what does not fit its schema."""
    if not isinstance(reading, Present):
        return "", getattr(reading, "reason", "") or "it was removed meanwhile", ()
    try:
        plain = json_text(_without_version(reading.value, key) if array != KV_ARRAY else reading.value)
    except NotJson as error:
        return "", str(error), ()
    table = workspace.table_of(array)
    row = table.get(key) if table is not None else None
    if row is None:
        return plain, "", ()
    if isinstance(row, RowError):
        return ("", row.why, ()) if isinstance(row, UnreadableRow) else (plain, "", _faults(row))
    model: _Model = row
    return model.model_dump_json(), "", ()


def _faults(error: RowError) -> tuple[str, ...]:
    if isinstance(error, ValidationFailed):
        return tuple(f"{each.path or 'the row'}: {each.kind}" for each in error.errors)
    return (error.message,)


def _without_version(value: object, key: str) -> object:
    if not isinstance(value, Mapping):
        return value
    return {"id": key, **{name: each for name, each in value.items() if name not in {VERSION_MEMBER, "id"}}}


def write(workspace: Workspace, array: str, key: str, value: object) -> None:
    """Store ``value`` under ``key``. Raises ``InvalidInput`` or ``LimitExceeded``; then nothing was written."""
    if array == KV_ARRAY:
        if key in workspace.kv.keys:
            workspace.kv.set(key, value)
        else:
            workspace.store(array).set(key, value)
        return
    if not isinstance(value, Mapping):
        raise _no_row("a row is a JSON object")
    if value.get("id", key) != key:
        raise _no_row("its id is another one than the key under which it is stored")
    version = value.get(VERSION_MEMBER, FIRST_VERSION)
    if type(version) is not int or version < FIRST_VERSION:
        raise _no_row(f"{VERSION_MEMBER} is the number of a schema, from {FIRST_VERSION}")
    table = workspace.table_of(array)
    if table is not None:
        table.set({**value, "id": key})
    else:
        row = {"id": key, **value}
        row.setdefault(VERSION_MEMBER, _stored_version(workspace, array, key))
        workspace.store(array).set(key, row)


def _stored_version(workspace: Workspace, array: str, key: str) -> int:
    """The number of the schema that a row has already: readers are not shown it, so they cannot hand it back."""
    reading = workspace.store(array).read(key)
    stored = (
        reading.value.get(VERSION_MEMBER)
        if isinstance(reading, Present) and isinstance(reading.value, Mapping)
        else None
    )
    return stored if type(stored) is int and stored >= FIRST_VERSION else FIRST_VERSION


def checked_json(untrusted: bytes) -> object:
    """The value that ``untrusted`` is the JSON of. Raises ``InvalidInput`` or ``LimitExceeded``."""
    if len(untrusted) > VALUE_BYTES_MAX:
        raise LimitExceeded(
            "SR-WS-091",
            f"the value has {len(untrusted)} bytes, and one may have {VALUE_BYTES_MAX}",
            fix="keep large things elsewhere and a reference to them here",
            size=len(untrusted),
            limit=VALUE_BYTES_MAX,
        )
    try:
        return json.loads(untrusted.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidInput(
            "SR-WS-090",
            "the value is not JSON",
            why="workspaces hold JSON values",
            fix="give JSON in UTF-8; text stands in quotes",
            field="json",
        ) from None


def _refuse_constant(_name: str) -> object:
    raise ValueError("no JSON")


def _no_row(why: str) -> InvalidInput:
    return InvalidInput("SR-WS-092", "this is no row of a table", why=why, fix="correct the value", field="json")
