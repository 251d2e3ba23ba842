"""What a workspace holds, as its author writes it: tables, key-values, and how old rows become new ones.

    NOTES = TableDefinition("notes", (NoteV1, NoteV2), migrate=lambda row, version: NoteV2(id=row.id, title=row.name))
    THEME = KvDefinition("theme", Literal["light", "dark"], default=lambda: "light")
    FUJI = WorkspaceDefinition("epicenter-fuji", tables=(NOTES,), kv=(THEME,))

Schemas are pydantic models; this module only carries them, so that a plugin that defines nothing does not load their
library. What is wrong with a definition is said when it is made; what needs pydantic to see, when it is opened.
Source: contracts/workspace-encryption.md 8 and 9.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from strongroom.errors import InvalidInput

__all__ = [
    "NAME_CHARS_MAX",
    "VERSIONS_MAX",
    "WORKSPACE_ID_CHARS_MAX",
    "KvDefinition",
    "Migrate",
    "TableDefinition",
    "WorkspaceDefinition",
    "check_workspace_id",
]

WORKSPACE_ID_CHARS_MAX: Final = 128
"""An id becomes the name of files; most file systems end at 255 bytes, and names get endings."""
NAME_CHARS_MAX: Final = 64
"""Of a table or a key; it becomes the name of a folder and of an SQLite table."""
VERSIONS_MAX: Final = 1000
"""Schemas of one table: far more than anyone maintains, and few enough to look at all of them."""

_SEGMENT: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_DEVICE: Final = re.compile(r"con|prn|aux|nul|com[1-9]|lpt[1-9]")

Migrate = Callable[[Any, int], Any]  # Any: rows are of the author's own models, which this module does not know
"""``migrate(row, version)``: ``row`` of schema ``version`` (from 1) as a row of the latest one. It may raise."""


def check_workspace_id(workspace_id: str) -> None:
    """Raise ``InvalidInput`` unless ``workspace_id`` is lower-case words joined by single hyphens, and no device name
    of Windows: it is the guid of a document and the name of files on every system.

    Source: contracts/workspace-encryption.md 9, whose text the error has.
    """
    is_segment = len(workspace_id) <= WORKSPACE_ID_CHARS_MAX and _SEGMENT.fullmatch(workspace_id)
    if is_segment and not _DEVICE.fullmatch(workspace_id):
        return
    shown = workspace_id if len(workspace_id) <= WORKSPACE_ID_CHARS_MAX else workspace_id[:WORKSPACE_ID_CHARS_MAX] + "…"
    raise InvalidInput(
        "SR-WS-050",
        f'Invalid workspace id: "{shown}". A guid segment must be lowercase a-z and 0-9 with single internal hyphens, '
        f"at most {WORKSPACE_ID_CHARS_MAX} characters, and no Windows device name",
        fix="name it like team-notes",
        field="id",
        size=len(workspace_id),
        limit=WORKSPACE_ID_CHARS_MAX,
    )


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """A table: its schemas from the oldest to the latest, and how a row of an older one becomes one of the latest.

    ``versions`` are pydantic models with a field ``id: str``; the first is version 1. A released version is never
    changed: add another one and extend ``migrate``, which is asked for rows of every version but the latest.
    """

    name: str
    versions: tuple[type, ...]
    migrate: Migrate | None = None

    def __post_init__(self) -> None:
        """Refuse a name that is none, a table without schema, and several schemas without a way between them."""
        _check_name("table", self.name)
        if not 1 <= len(self.versions) <= VERSIONS_MAX:
            raise _wrong(
                f"table {self.name} has {len(self.versions)} schemas", f"a table has 1 to {VERSIONS_MAX} of them"
            )
        if len(self.versions) > 1 and self.migrate is None:
            raise _wrong(f"table {self.name} has no migrate", "it has more than one schema")


@dataclass(frozen=True, slots=True)
class KvDefinition:
    """One key of the key-value store: what its value may be, and what it is where there is none or a wrong one.

    ``type`` is anything pydantic validates; ``default`` makes a fresh value at each call.
    """

    key: str
    type: Any  # Any: a model, a union, a Literal: every annotation is a type to pydantic
    default: Callable[[], object]

    def __post_init__(self) -> None:
        """Refuse a key that is no name, and a default that is not a function."""
        _check_name("key", self.key)
        if not callable(self.default):
            raise _wrong(f"the default of key {self.key} is no function", "a shared value could be changed by one user")


@dataclass(frozen=True, slots=True)
class WorkspaceDefinition:
    """A workspace: ``id`` is also the guid of its document. One without tables and keys is used through its stores."""

    id: str
    tables: tuple[TableDefinition, ...] = ()
    kv: tuple[KvDefinition, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an id that is none, and two tables or two keys of one name."""
        check_workspace_id(self.id)
        _check_unique("table", (table.name for table in self.tables))
        _check_unique("key", (entry.key for entry in self.kv))


def _check_name(kind: str, name: str) -> None:
    if not (len(name) <= NAME_CHARS_MAX and _NAME.fullmatch(name)):
        shown = name[:NAME_CHARS_MAX]
        raise _wrong(
            f"{kind} {shown!r} has no usable name",
            f"1 to {NAME_CHARS_MAX} letters, digits, dots, hyphens and underscores, a letter or digit first",
        )


def _check_unique(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        # Files and SQLite tables are named after them, and there case makes no difference.
        if name.casefold() in seen:
            raise _wrong(f"{kind} {name} is there twice", "names differ in more than case")
        seen.add(name.casefold())


def _wrong(what: str, why: str) -> InvalidInput:
    return InvalidInput("SR-WS-051", what, why=why, fix="correct the definition of the workspace")
