"""The trigger ``Watch``: changes of a workspace become events, each of them once.

An observer hears of changes and must be quick, so a thread of each registration puts them into the book of events. What
it has told is remembered as the time of the newest entry; entries that are newer when a registration comes back were
changed in between, and are told then. Times are the peers', so an entry that arrives late with an old time is told only
when it arrives while somebody listens.
"""

import hashlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from strongroom.plugin import (
    CapabilityError,
    EventBook,
    Events,
    LimitExceeded,
    Registration,
    Store,
    StrongroomError,
    WorkspaceChange,
    Workspaces,
)
from strongroom.plugin.messages import workspace_pb2
from strongroom_workspace.grants import Grants

__all__ = ["Watchers"]

WAITING_MAX: Final = 10_000
"""Changes of one registration that wait in memory; beyond it entries are looked through again instead."""
PAGE: Final = 500
AGAIN_S: Final = 1.0
"""Pause before what did not work is tried again: a full book, a workspace that is not open yet."""
JOIN_S: Final = 5.0


@dataclass(slots=True, eq=False)
class _Watcher:
    """One registration, and what it has not told yet."""

    trigger_id: str
    config: workspace_pb2.WatchConfig
    waiting: deque[WorkspaceChange] = field(default_factory=deque)
    changed: threading.Condition = field(default_factory=threading.Condition)
    overflowed: bool = False
    ended: bool = False
    told_ms: int = 0

    def hear(self, change: WorkspaceChange) -> None:
        """Take a change from the observer."""
        with self.changed:
            if len(self.waiting) >= WAITING_MAX:
                self.overflowed = True
            else:
                self.waiting.append(change)
            self.changed.notify_all()

    def end(self) -> None:
        """Tell nothing more."""
        with self.changed:
            self.ended = True
            self.changed.notify_all()


class Watchers:
    """Every registration of the trigger. Safe for any thread."""

    def __init__(
        self, workspaces: Workspaces, grants: Grants, book: EventBook, store: Store, log: logging.Logger
    ) -> None:
        self._workspaces = workspaces
        self._grants = grants
        self._book = book
        self._store = store
        self._log = log
        self._lock = threading.Lock()
        self._watchers: dict[str, _Watcher] = {}

    def register(self, registration: Registration, events: Events) -> Callable[[], None]:
        """Watch for one registration. Raises ``CapabilityError`` for what may not be watched."""
        config = registration.unpack(workspace_pb2.WatchConfig)
        if not config.mount:
            raise CapabilityError("Public", "User", "InvalidArgument", "mount is empty: name the workspace to watch")
        self._grants.check(registration.metadata, config.mount, "read")
        watcher = _Watcher(registration.trigger_id, config)
        with self._lock:
            before = self._watchers.get(watcher.trigger_id)
            self._watchers[watcher.trigger_id] = watcher
        if before is not None:
            before.end()
        detach = self._book.attach(watcher.trigger_id, events)
        threading.Thread(target=self._run, args=(watcher,), name="workspace-watch", daemon=True).start()

        def stop() -> None:
            watcher.end()
            detach()
            with self._lock:
                if self._watchers.get(watcher.trigger_id) is watcher:
                    del self._watchers[watcher.trigger_id]

        return stop

    def ack(self, trigger_id: str, event_id: str) -> None:
        """The host has the event."""
        self._book.ack(trigger_id, event_id)

    def forget(self, trigger_id: str) -> None:
        """The workflow is gone for good."""
        self._book.forget(trigger_id)
        self._store.delete(_mark_key(trigger_id))

    def close(self) -> None:
        """End them all."""
        with self._lock:
            watchers, self._watchers = list(self._watchers.values()), {}
        for watcher in watchers:
            watcher.end()

    def _run(self, watcher: _Watcher) -> None:
        """Watch until it ends. A workspace that is not open is tried again: it may be mounted later."""
        said = ""
        while not watcher.ended:
            try:
                self._watch(watcher)
                said = ""
            except StrongroomError as error:
                if error.code != said:
                    self._log.warning("trigger %s does not watch now: %s", watcher.trigger_id, error)
                said = error.code
            except Exception as raised:
                self._log.error("trigger %s does not watch now: %s", watcher.trigger_id, type(raised).__name__)
            with watcher.changed:
                watcher.changed.wait_for(lambda: watcher.ended, AGAIN_S)

    def _watch(self, watcher: _Watcher) -> None:
        """Tell of changes until the registration ends or the workspace is closed."""
        config = watcher.config
        watch = self._workspaces.watch(config.mount, config.table, prefix=config.key_prefix, on_change=watcher.hear)
        try:
            # After the observer, so that nothing falls between; what both see is one event by its id.
            self._tell_missed(watcher)
            while not watcher.ended:
                if not self._tell_next(watcher) and not watch.is_alive():
                    return
        finally:
            watch.end()

    def _tell_next(self, watcher: _Watcher) -> bool:
        """Tell one change, or wait a moment for one. False when there was none."""
        with watcher.changed:
            watcher.changed.wait_for(lambda: watcher.ended or watcher.overflowed or bool(watcher.waiting), AGAIN_S)
            overflowed, watcher.overflowed = watcher.overflowed, False
            change = watcher.waiting[0] if watcher.waiting else None
        if watcher.ended:
            return False
        if overflowed:
            self._tell_missed(watcher)
        elif change is not None:
            self._tell(watcher, change)
            with watcher.changed:
                if watcher.waiting and watcher.waiting[0] is change:
                    watcher.waiting.popleft()
        return overflowed or change is not None

    def _tell_missed(self, watcher: _Watcher) -> None:
        """Tell entries that are newer than what was told. The first registration begins with what is there now."""
        config = watcher.config
        mark = self._store.get(_mark_key(watcher.trigger_id))
        after, newer, newest = "", [], 0
        while True:
            page = self._workspaces.page(config.mount, config.table, prefix=config.key_prefix, after=after, limit=PAGE)
            for item in page.items:
                newest = max(newest, item.time_ms)
                if mark is not None and item.json is not None and item.time_ms > int(mark):
                    newer.append(item)
            if not page.more or not page.items:
                break
            after = page.items[-1].key
        watcher.told_ms = newest if mark is None else int(mark)
        if mark is None:
            self._note(watcher)
        for item in sorted(newer, key=lambda each: each.time_ms):
            self._tell(watcher, WorkspaceChange(action="update", key=item.key, json=item.json, time_ms=item.time_ms))

    def _tell(self, watcher: _Watcher, change: WorkspaceChange) -> None:
        """Put one change into the book, which is on disk then. Waits while the book is full."""
        if change.action == "unreadable":
            return
        config = watcher.config
        message = workspace_pb2.Changed(
            mount=config.mount,
            table=config.table,
            key=change.key,
            action=change.action,
            json=change.json or b"",
            time_ms=change.time_ms,
            remote=change.remote,
        )
        event_id = _event_id(config, change)
        while not watcher.ended:
            try:
                self._book.add(watcher.trigger_id, event_id, message)
            except LimitExceeded:
                with watcher.changed:
                    watcher.changed.wait_for(lambda: watcher.ended, AGAIN_S)
                continue
            if change.time_ms > watcher.told_ms:
                watcher.told_ms = change.time_ms
                self._note(watcher)
            return

    def _note(self, watcher: _Watcher) -> None:
        self._store.put(_mark_key(watcher.trigger_id), str(watcher.told_ms).encode())


def _mark_key(trigger_id: str) -> str:
    """Trigger ids may be longer than keys of a store."""
    return "told/" + hashlib.sha256(trigger_id.encode()).hexdigest()


def _event_id(config: workspace_pb2.WatchConfig, change: WorkspaceChange) -> str:
    """The same for the same state of an entry, however it was found. A deletion has no time of its own."""
    is_gone = change.action == "delete"
    when = f"gone/{time.time_ns()}" if is_gone else str(change.time_ms)
    parts = (config.mount, config.table, change.key, when)
    framed = b"".join(len(part.encode()).to_bytes(8, "big") + part.encode() for part in parts)
    return hashlib.sha256(framed).hexdigest()[:32]
