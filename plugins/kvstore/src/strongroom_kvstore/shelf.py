"""The values of all workflows in the host's store, one record for each key, and what is known of them in memory.

A record holds the value, its version and the answer to the call that wrote it, so a write is one write. A deleted key
stays as a record without a value while few are deleted; then it goes, and the floor of its workflow rises to its
version first, so that no version of a key ever comes back.
"""

import struct
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from strongroom.plugin import Repeats, Store
from strongroom.plugin.messages import kvstore_stored_pb2
from strongroom_kvstore.limits import TOMBSTONES_MAX
from strongroom_kvstore.scope import Scope

__all__ = ["Known", "Shelf"]

SCOPES_IN_MEMORY_MAX: Final = 256  # of the workflows that called last; names and sizes only
_FLOOR: Final = struct.Struct(">Q")


@dataclass(slots=True)
class Known:
    """What memory holds of one workflow: (bytes, version) of each value, and the deleted keys, oldest first."""

    live: dict[str, tuple[int, int]] = field(default_factory=dict)
    tombstones: dict[str, int] = field(default_factory=dict)
    floor: int = 0
    total_bytes: int = 0


class Shelf:
    """Callers hold the lock of a scope around everything they do with it."""

    def __init__(self, store: Store, repeats: Repeats) -> None:
        self._store = store
        self._repeats = repeats
        self._memory = threading.Lock()
        self._known: OrderedDict[Scope, Known] = OrderedDict()

    def read(self, scope: Scope, key: str) -> kvstore_stored_pb2.StoredEntry | None:
        """The record of a key, that of a deleted one too."""
        blob = self._store.get(scope.values + key, owner=scope.owner)
        return None if blob is None else kvstore_stored_pb2.StoredEntry.FromString(blob)

    def known(self, scope: Scope) -> Known:
        """What there is, read once and then kept in memory."""
        with self._memory:
            known = self._known.get(scope)
            if known is not None:
                self._known.move_to_end(scope)
                return known
        known = self._load(scope)
        with self._memory:
            self._known[scope] = known
            while len(self._known) > SCOPES_IN_MEMORY_MAX:
                self._known.popitem(last=False)
        return known

    def write(
        self,
        scope: Scope,
        key: str,
        entry: kvstore_stored_pb2.StoredEntry,
        before: kvstore_stored_pb2.StoredEntry | None,
    ) -> None:
        """Put ``entry`` in the place of ``before``. The answer that ``before`` holds is kept first."""
        known = self.known(scope)
        if before is not None and before.repeat_key:
            self._repeats.keep(before.repeat_key, before.answer.SerializeToString())
        try:
            self._store.put(scope.values + key, entry.SerializeToString(), owner=scope.owner)
        except BaseException:
            self._let_go(scope)  # it may be on disk or not: what memory says is worth nothing
            raise
        _note(known, key, entry)
        while len(known.tombstones) > TOMBSTONES_MAX:
            self._forget(scope, known)

    def drop(self, scope: Scope) -> int:
        """Remove everything of one workflow; how many values there were."""
        known = self.known(scope)
        count = len(known.live)
        self._let_go(scope)
        for key in self._store.list(scope.values, owner=scope.owner):
            self._store.delete(key, owner=scope.owner)
        self._store.delete(scope.floor, owner=scope.owner)
        return count

    def workflows(self, owner: str) -> list[str]:
        """What the values of an owner are kept by, in ascending order."""
        return sorted({key.split("/", 2)[1] for key in self._store.list("v/", owner=owner)})

    def _let_go(self, scope: Scope) -> None:
        with self._memory:
            self._known.pop(scope, None)

    def _load(self, scope: Scope) -> Known:
        known = Known(floor=self._floor(scope))
        for place in self._store.list(scope.values, owner=scope.owner):
            key = place.removeprefix(scope.values)
            entry = self.read(scope, key)
            if entry is not None:
                _note(known, key, entry)
        return known

    def _floor(self, scope: Scope) -> int:
        blob = self._store.get(scope.floor, owner=scope.owner)
        if blob is None:
            return 0
        floor: int = _FLOOR.unpack(blob)[0]
        return floor

    def _forget(self, scope: Scope, known: Known) -> None:
        """Remove the record of the key that was deleted first. The floor rises before, and its answer is kept."""
        key, version = next(iter(known.tombstones.items()))
        entry = self.read(scope, key)
        if entry is not None and entry.repeat_key:
            self._repeats.keep(entry.repeat_key, entry.answer.SerializeToString())
        if version > known.floor:
            self._store.put(scope.floor, _FLOOR.pack(version), owner=scope.owner)
            known.floor = version
        self._store.delete(scope.values + key, owner=scope.owner)
        del known.tombstones[key]


def _note(known: Known, key: str, entry: kvstore_stored_pb2.StoredEntry) -> None:
    """Count ``entry`` in the place of what was known of its key."""
    old = known.live.pop(key, None)
    if old is not None:
        known.total_bytes -= len(key.encode()) + old[0]
    known.tombstones.pop(key, None)
    if entry.deleted:
        known.tombstones[key] = entry.version
    else:
        known.live[key] = (len(entry.value), entry.version)
        known.total_bytes += len(key.encode()) + len(entry.value)
