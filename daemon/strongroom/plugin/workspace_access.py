"""Mounted workspaces as a plugin in the host reads and writes them.

Values are JSON text, as they were sealed. A host gives this to plugins of its own process alone; what a workflow may do
with it is for the plugin to decide.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

__all__ = ["WorkspaceChange", "WorkspaceItem", "WorkspacePage", "WorkspaceWatch", "Workspaces"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceItem:
    """One entry. ``json`` is ``None`` where it cannot be read, and ``unreadable`` then says why.

    ``time_ms`` is the entry's own time (Unix, milliseconds), which peers choose; ``key_version`` 0 is plaintext.
    ``faults`` say what does not fit the table's schema, one line each.
    """

    key: str
    json: bytes | None = field(default=None, repr=False)
    unreadable: str = ""
    time_ms: int = 0
    key_version: int = 0
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspacePage:
    """Entries by key, and whether there are more after the last one."""

    items: tuple[WorkspaceItem, ...]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceChange:
    """What happened to one entry. ``remote`` is true when it came from another machine."""

    action: Literal["add", "update", "delete", "unreadable"]
    key: str
    json: bytes | None = field(default=None, repr=False)
    unreadable: str = ""
    time_ms: int = 0
    remote: bool = False


class WorkspaceWatch(Protocol):
    """What tells of changes, until it is ended or the workspace is closed."""

    def is_alive(self) -> bool:
        """Whether changes are still told. A workspace that was closed and opened again is to be watched again."""

    def end(self) -> None:
        """Tell nothing more. Twice is fine."""


class Workspaces(Protocol):
    """The mounts of this host by name. ``table`` is empty for the key-values.

    Every function raises ``NotFound`` for a name that is not mounted, and why a mount is not open.
    """

    def get(self, mount: str, table: str, key: str) -> WorkspaceItem | None:
        """One entry, or ``None``."""

    def page(self, mount: str, table: str, *, prefix: str = "", after: str = "", limit: int = 100) -> WorkspacePage:
        """Entries by key, at most ``limit``, whose keys begin with ``prefix`` and come after ``after``."""

    def put(self, mount: str, table: str, key: str, json: bytes) -> WorkspaceItem:
        """Write a value; it is sealed and on disk when this returns. The answer is the entry without its value.

        Raises ``InvalidInput`` for what is no JSON or does not fit the table, ``LimitExceeded`` for what is too large.
        """

    def delete(self, mount: str, table: str, key: str) -> bool:
        """Remove an entry, on disk when this returns. False when there was none."""

    def watch(
        self, mount: str, table: str, *, prefix: str = "", on_change: Callable[[WorkspaceChange], None]
    ) -> WorkspaceWatch:
        """Call ``on_change`` for every change from now on, on any thread; it must be quick."""
