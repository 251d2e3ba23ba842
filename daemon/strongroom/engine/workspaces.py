"""``WorkspaceDesk``: mounted workspaces for clients and plugins. What it answers to a write is on disk.

Reading and writing take the document's lock for one entry or one page; waiting for the disk happens without it.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from strongroom.engine.disk_watch import DiskRoom, EnoughRoom
from strongroom.engine.workspace_rows import array_of, checked_json, item_of, write
from strongroom.errors import InvalidInput, LimitExceeded, NotFound, StorageFault, StrongroomError
from strongroom.plugin.workspace_access import WorkspaceChange, WorkspaceItem, WorkspacePage, WorkspaceWatch
from strongroom.workspace.entry import Change
from strongroom.workspace.json_value import ENTRY_KEY_BYTES_MAX
from strongroom.workspace.mount.info import MountStatus
from strongroom.workspace.mount.mounts import Mounts, OpenMount
from strongroom.workspace.reading import Unreadable
from strongroom.workspace.watcher import PrivateOrigin
from strongroom.workspace.workspace import TABLE_PREFIX

__all__ = ["HERE", "PAGE_MAX", "LateDesk", "WorkspaceDesk"]

PAGE_MAX: Final = 1000
"""Entries of one page; each may have a megabyte, so pages end earlier by ``PAGE_BYTES_MAX``."""
PAGE_BYTES_MAX: Final = 2_000_000
HERE: Final = "client of this host"
"""Origin of what this desk writes; other origins than it and none are from elsewhere."""


class WorkspaceDesk:
    """The open mounts of one host. Safe for any thread."""

    def __init__(self, mounts: Mounts) -> None:
        self._mounts = mounts
        self.disk: DiskRoom = EnoughRoom()
        """Asked before something is written."""

    def get(self, mount: str, table: str, key: str) -> WorkspaceItem | None:
        """One entry, or ``None``."""
        workspace = self._mounts.get(mount).workspace
        array = array_of(table)
        with workspace.document.lock:
            entry = workspace.raw_store(array).entry(key) if self._has(workspace.arrays(), array) else None
            return None if entry is None else item_of(workspace, array, entry)

    def page(self, mount: str, table: str, *, prefix: str = "", after: str = "", limit: int = 100) -> WorkspacePage:
        """Entries by key. Raises ``LimitExceeded`` for more than ``PAGE_MAX``."""
        if limit > PAGE_MAX:
            raise LimitExceeded(
                "SR-WS-093",
                f"{limit} entries are asked for, and a page has {PAGE_MAX} at most",
                fix="ask for several pages",
                size=limit,
                limit=PAGE_MAX,
            )
        workspace = self._mounts.get(mount).workspace
        array = array_of(table)
        with workspace.document.lock:
            if not self._has(workspace.arrays(), array):
                return WorkspacePage(items=(), more=False)
            raw = workspace.raw_store(array)
            keys = (entry.key for entry in raw.entries() if entry.key.startswith(prefix) and entry.key > after)
            found = heapq.nsmallest(limit + 1, keys)
            items: list[WorkspaceItem] = []
            size = 0
            for key in found[:limit]:
                entry = raw.entry(key)
                item = item_of(workspace, array, entry) if entry is not None else None
                if item is None:
                    continue
                # Keys of peers are as long as peers like, also where nothing can be read.
                size += len(item.key.encode()) + len(item.json or b"")
                if items and size > PAGE_BYTES_MAX:
                    return WorkspacePage(items=tuple(items), more=True)
                items.append(item)
        return WorkspacePage(items=tuple(items), more=len(found) > limit)

    def tables(self, mount: str) -> list[str]:
        """The names of the tables that have rows, defined or not."""
        workspace = self._mounts.get(mount).workspace
        return [
            name.removeprefix(TABLE_PREFIX)
            for name in workspace.arrays()
            # Whoever watches a table makes its array; it is no table before it has a row.
            if name.startswith(TABLE_PREFIX) and workspace.raw_store(name).size
        ]

    def put(self, mount: str, table: str, key: str, json: bytes) -> WorkspaceItem:
        """Write a value; it is sealed and on disk when this returns.

        Raises ``InvalidInput``, ``LimitExceeded``, ``Unavailable`` (signed out), ``StorageFault`` (not on disk).
        """
        value = checked_json(json)
        if not 0 < len(key.encode()) <= ENTRY_KEY_BYTES_MAX:
            raise InvalidInput(
                "SR-WS-094",
                f"the key is {'too long' if key else 'empty'}",
                why=f"keys are text of 1 to {ENTRY_KEY_BYTES_MAX} bytes",
                fix="give it another one",
                field="key",
            )
        open_mount = self._mounts.get(mount)
        workspace, array = open_mount.workspace, array_of(table)
        is_new = not (self._has(workspace.arrays(), array) and workspace.raw_store(array).has(key))
        self._mounts.check_room(mount, value_bytes=len(json), is_new=is_new)
        self.check_disk(mount, len(json))
        with workspace.document.transaction(HERE):
            write(workspace, array, key, value)
            entry = workspace.raw_store(array).entry(key)
            if entry is None:
                raise StorageFault("SR-WS-095", "the entry was removed while it was written", fix="write it again")
            item = item_of(workspace, array, entry)
        open_mount.flush()
        return WorkspaceItem(key=key, time_ms=item.time_ms, key_version=item.key_version)

    def check_disk(self, mount: str, size: int) -> None:
        """Raises ``Exhausted`` when there is no room to write so much into a mount."""
        self.disk.check("what is written into a workspace", size, at=self._mounts.get(mount).project_dir)

    def delete(self, mount: str, table: str, key: str) -> bool:
        """Remove an entry, on disk when this returns. False when there was none."""
        open_mount = self._mounts.get(mount)
        workspace, array = open_mount.workspace, array_of(table)
        with workspace.document.transaction(HERE):
            existed = self._has(workspace.arrays(), array) and workspace.raw_store(array).has(key)
            if existed:
                workspace.store(array).delete(key)
        open_mount.flush()
        return existed

    def watch(
        self, mount: str, table: str, *, prefix: str = "", on_change: Callable[[WorkspaceChange], None]
    ) -> WorkspaceWatch:
        """Tell of every change from now on. ``on_change`` runs with the document's lock held."""
        opened = self._mounts.get(mount)
        workspace = opened.workspace
        array = array_of(table)
        store, raw = workspace.store(array), workspace.raw_store(array)

        def readable(changes: Mapping[str, Change], origin: object) -> None:
            for key, change in changes.items():
                if not key.startswith(prefix):
                    continue
                entry = raw.entry(key)
                if change.action == "delete" or entry is None:
                    on_change(WorkspaceChange(action="delete", key=key, remote=_is_remote(origin)))
                    continue
                item = item_of(workspace, array, entry)
                if item.json is not None:
                    on_change(
                        WorkspaceChange(
                            action=change.action,
                            key=key,
                            json=item.json,
                            time_ms=entry.ts,
                            remote=_is_remote(origin),
                        )
                    )

        def unreadable(changes: Mapping[str, Change], origin: object) -> None:
            if isinstance(origin, PrivateOrigin):
                return
            for key, change in changes.items():
                if change.action == "delete" or not key.startswith(prefix):
                    continue
                reading = store.read(key)
                if isinstance(reading, Unreadable):
                    on_change(
                        WorkspaceChange(
                            action="unreadable", key=key, unreadable=reading.reason, remote=_is_remote(origin)
                        )
                    )

        ends = (store.observe(readable), raw.observe(unreadable))
        return _Watch(lambda: self._is_open(mount, opened), ends)

    def status(self, mount: str) -> MountStatus:
        """How an open mount stands. Raises ``NotFound``, or why it is not open."""
        return self._mounts.get(mount).status()

    def _is_open(self, mount: str, opened: OpenMount) -> bool:
        try:
            return self._mounts.get(mount) is opened
        except StrongroomError:
            return False

    @staticmethod
    def _has(arrays: list[str], array: str) -> bool:
        """Whether the array is there: looking must not make one."""
        return array in arrays


class _Watch:
    """One who is told of changes."""

    def __init__(self, is_open: Callable[[], bool], ends: Sequence[Callable[[], None]]) -> None:
        self._is_open = is_open
        self._ends = ends

    def is_alive(self) -> bool:
        """Whether the workspace is still the one that is watched."""
        return self._is_open()

    def end(self) -> None:
        """Tell nothing more."""
        for each in self._ends:
            each()


class LateDesk:
    """The desk for plugins, which are made before the mounts are. It is asked late."""

    def __init__(self) -> None:
        self.desk: WorkspaceDesk | None = None

    def get(self, mount: str, table: str, key: str) -> WorkspaceItem | None:
        """One entry, or ``None``."""
        return self._now(mount).get(mount, table, key)

    def page(self, mount: str, table: str, *, prefix: str = "", after: str = "", limit: int = 100) -> WorkspacePage:
        """Entries by key."""
        return self._now(mount).page(mount, table, prefix=prefix, after=after, limit=limit)

    def put(self, mount: str, table: str, key: str, json: bytes) -> WorkspaceItem:
        """Write a value."""
        return self._now(mount).put(mount, table, key, json)

    def delete(self, mount: str, table: str, key: str) -> bool:
        """Remove an entry."""
        return self._now(mount).delete(mount, table, key)

    def watch(
        self, mount: str, table: str, *, prefix: str = "", on_change: Callable[[WorkspaceChange], None]
    ) -> WorkspaceWatch:
        """Tell of every change from now on."""
        return self._now(mount).watch(mount, table, prefix=prefix, on_change=on_change)

    def _now(self, mount: str) -> WorkspaceDesk:
        if self.desk is None:
            raise NotFound("SR-WS-096", f"workspace {mount} is not open yet", fix="the host is starting: ask again")
        return self.desk


def _is_remote(origin: object) -> bool:
    return origin is not None and origin is not HERE and not isinstance(origin, PrivateOrigin)
