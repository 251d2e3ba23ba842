"""Mounted workspaces in memory, for tests of plugins that read and write them."""

import json as json_module
import threading
from collections.abc import Callable

from strongroom.errors import InvalidInput, NotFound
from strongroom.plugin.workspace_access import WorkspaceChange, WorkspaceItem, WorkspacePage

__all__ = ["MemoryWatch", "MemoryWorkspaces"]

Place = tuple[str, str]


class MemoryWorkspaces:
    """Mounts by name; ``mount`` makes one. Times count up from 1. ``put(..., remote=True)`` is another machine's."""

    def __init__(self) -> None:
        self.values: dict[Place, dict[str, WorkspaceItem]] = {}
        self._mounts: set[str] = set()
        self._watching: dict[Place, list[MemoryWatch]] = {}
        self._time = 0
        self._lock = threading.RLock()

    def mount(self, name: str) -> None:
        """Make ``name`` a mount."""
        self._mounts.add(name)

    def unmount(self, name: str) -> None:
        """Close it. Whoever watches it is told nothing more."""
        with self._lock:
            self._mounts.discard(name)
            for place in [place for place in self._watching if place[0] == name]:
                self._watching.pop(place).clear()

    def get(self, mount: str, table: str, key: str) -> WorkspaceItem | None:
        """One entry, or ``None``."""
        return self._at(mount, table).get(key)

    def page(self, mount: str, table: str, *, prefix: str = "", after: str = "", limit: int = 100) -> WorkspacePage:
        """Entries by key."""
        with self._lock:
            at = self._at(mount, table)
            found = sorted(key for key in at if key.startswith(prefix) and key > after)
            return WorkspacePage(items=tuple(at[key] for key in found[:limit]), more=len(found) > limit)

    def put(self, mount: str, table: str, key: str, json: bytes, *, remote: bool = False) -> WorkspaceItem:
        """Write a value. Raises ``InvalidInput`` for what is no JSON."""
        try:
            json_module.loads(json)
        except ValueError:
            raise InvalidInput("SR-TEST-002", "the value is not JSON", fix="give JSON", field="json") from None
        with self._lock:
            at = self._at(mount, table)
            self._time += 1
            action = "update" if key in at else "add"
            item = at[key] = WorkspaceItem(key=key, json=json, time_ms=self._time, key_version=1)
            self._tell(
                mount,
                table,
                WorkspaceChange(
                    action="update" if action == "update" else "add",
                    key=key,
                    json=json,
                    time_ms=item.time_ms,
                    remote=remote,
                ),
            )
            return item

    def delete(self, mount: str, table: str, key: str) -> bool:
        """Remove an entry. False when there was none."""
        with self._lock:
            existed = self._at(mount, table).pop(key, None) is not None
            if existed:
                self._tell(mount, table, WorkspaceChange(action="delete", key=key))
            return existed

    def watch(
        self, mount: str, table: str, *, prefix: str = "", on_change: Callable[[WorkspaceChange], None]
    ) -> "MemoryWatch":
        """Tell of every change from now on."""
        with self._lock:
            self._at(mount, table)
            watching = self._watching.setdefault((mount, table), [])
            watch = MemoryWatch(prefix, on_change, watching)
            watching.append(watch)
        return watch

    def _at(self, mount: str, table: str) -> dict[str, WorkspaceItem]:
        if mount not in self._mounts:
            raise NotFound("SR-TEST-003", f"workspace {mount} is not mounted", fix="mount it")
        return self.values.setdefault((mount, table), {})

    def _tell(self, mount: str, table: str, change: WorkspaceChange) -> None:
        for watch in list(self._watching.get((mount, table), [])):
            if change.key.startswith(watch.prefix):
                watch.on_change(change)


class MemoryWatch:
    """One who watches, among the ``others`` of his table."""

    def __init__(self, prefix: str, on_change: Callable[[WorkspaceChange], None], others: "list[MemoryWatch]") -> None:
        self.prefix = prefix
        self.on_change = on_change
        self._others = others

    def is_alive(self) -> bool:
        """Whether changes are still told."""
        return self in self._others

    def end(self) -> None:
        """Tell nothing more."""
        if self in self._others:
            self._others.remove(self)
