"""``EncryptedStore``: a store whose values are sealed one by one before they are written.

It starts plain, as a pass-through. ``activate`` gives it keys, and from then on it writes nothing unsealed; ``lock``
takes them away. Nothing leads back to plain, and no plaintext is kept: every read opens.

Rule 1: sealing again keeps the time and the place of an entry, so that any edit wins against it, also an unseen one.
Rule 2: in strict mode nothing unsealed is believed after activation, whoever wrote it, until ``adopt_plaintext``.
Rule 3: whatever becomes readable is announced; what sealing again does, nobody sees.
Source: contracts/workspace-encryption.md 7 and 17 rows 1 to 4 and 7 to 12.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from strongroom.crypto.workspace_blob import get_key_version, is_encrypted_blob
from strongroom.errors import StrongroomError, WrongState
from strongroom.keyring.workspace_keys import WorkspaceKeys
from strongroom.workspace.entry import Change, Handler
from strongroom.workspace.handlers import Handlers
from strongroom.workspace.lww import LwwStore
from strongroom.workspace.reading import Absent, Present, Reading, Unreadable, warn_of
from strongroom.workspace.sealing_again import SEALED_AGAIN, StaleValues, seal_again
from strongroom.workspace.stored_value import check_json, json_bytes, json_of, shown_json
from strongroom.workspace.value_sealing import ValueSealer
from strongroom.workspace.watcher import PrivateOrigin

__all__ = ["EncryptedStore"]

_PLAINTEXT: Final = "plaintext after activation; it was not written here, or before there were keys"


class EncryptedStore:
    """Values of ``lww``, which nobody else writes to. Safe for any thread: everything takes the document's lock.

    ``strict`` and ``write_format`` 2 are what new workspaces have; 1 is what JavaScript peers read.
    """

    def __init__(self, lww: LwwStore, *, owner_id: str, strict: bool, write_format: int) -> None:
        self._lww: Final = lww
        self._strict: Final = strict
        self._lock: Final = lww.document.lock
        self._sealer: Final = ValueSealer(owner_id, lww.document.guid, lww.name, write_format)
        self._keys: WorkspaceKeys | None = None
        self._locked = False
        self._stale: Final = StaleValues(lww, self._sealer, keys=self._active_keys, is_stale=self._is_stale)
        self._handlers = Handlers(self._lock, {"guid": lww.document.guid, "array": lww.name})
        lww.observe_from_above(self._on_changes)

    # Keys.

    @property
    def is_active(self) -> bool:
        """Whether it has keys."""
        return self._keys is not None

    @property
    def is_locked(self) -> bool:
        """Whether its keys were taken away."""
        return self._locked

    def activate(self, keys: WorkspaceKeys, *, upgrade: bool = True) -> None:
        """Use ``keys`` from now on: the first time, after a rotation, and after ``lock``. The same keys change nothing.

        With ``upgrade`` readable values under other versions are sealed again, and plaintext too where the store is not
        strict. What became readable is announced as added, in one batch without an origin.
        """
        with self._lww.document.settled():
            before, self._keys, self._locked = self._keys, keys, False
            self._stale.forget()
            if self._handlers:
                self._announce(self._newly_readable(before, keys))
            if upgrade:
                seal_again(
                    self._lww,
                    self._sealer,
                    keys,
                    (entry for entry in self._lww.entries() if self._is_for_activation(keys, entry.val)),
                )

    def lock(self) -> None:
        """Forget the keys: sealed values become unreadable, and writes fail. Doing it again changes nothing."""
        with self._lock:
            self._keys = None
            self._locked = True
            self._stale.forget()

    def upgrade(self, entries_max: int) -> int:
        """Seal at most ``entries_max`` values again, from the left, where the oldest stand; returns how many.

        These are values under another version than the writing one, those of format 1 where format 2 is written, and
        plaintext where the store is not strict.
        Call it until it returns 0; what is unreadable stays as it is. Raises ``WrongState`` without keys.
        """
        return self._stale.seal_again(entries_max)

    def look_at_stale(self) -> tuple[int, list[tuple[str, Unreadable]]]:
        """Open what ``upgrade`` would seal again: how many can be, and the others. Nothing is changed."""
        with self._lww.document.settled():
            keys = self._active_keys()
            due = [entry for entry in self._lww.entries() if self._is_stale(keys, entry.val)]
            readings = [(entry.key, self._reading(entry.key, entry.ts, entry.val)) for entry in due]
            closed = [(key, reading) for key, reading in readings if isinstance(reading, Unreadable)]
            return len(due) - len(closed), closed

    def adopt_plaintext(self) -> int:
        """Seal every value that is stored unsealed, whoever wrote it; returns how many.

        To be asked for by a person who has looked at them. Raises ``WrongState`` without keys.
        """
        with self._lww.document.settled():
            keys = self._active_keys()
            found = [entry for entry in self._lww.entries() if not is_encrypted_blob(entry.val)]
            adopted = seal_again(self._lww, self._sealer, keys, found)
            if self._strict and self._handlers:
                readings = {entry: self.read(entry.key) for entry in found}
                present = {entry: reading.value for entry, reading in readings.items() if isinstance(reading, Present)}
                self._announce({entry.key: Change("add", value, entry.ts) for entry, value in present.items()})
            return adopted

    # Reading.

    @property
    def size(self) -> int:
        """How many entries there are, readable or not; what waits in an open transaction does not count."""
        return self._lww.size

    def has(self, key: str) -> bool:
        """Whether there is an entry of ``key``, readable or not."""
        return self._lww.has(key)

    def read(self, key: str) -> Reading:
        """What is stored under ``key``."""
        with self._lock:
            entry = self._lww.entry(key)
            return Absent() if entry is None else self._reading(entry.key, entry.ts, entry.val)

    def get(self, key: str) -> object:
        """The value of ``key``; ``None`` where it is absent or unreadable, which ``read`` tells apart."""
        reading = self.read(key)
        return reading.value if isinstance(reading, Present) else None

    def reads(self) -> Iterator[tuple[str, Reading]]:
        """Every entry that is there now, opened when it is asked for. A lock meanwhile makes the rest unreadable."""
        for entry in self._lww.entries():
            with self._lock:
                reading = self._reading(entry.key, entry.ts, entry.val)
            yield entry.key, reading

    def unreadable(self) -> list[tuple[str, Unreadable]]:
        """Every entry that cannot be read here, with its reason."""
        return [(key, reading) for key, reading in self.reads() if isinstance(reading, Unreadable)]

    def versions(self) -> Counter[int]:
        """How many entries are stored under which key version; 0 is plaintext."""
        return Counter(
            get_key_version(entry.val) if is_encrypted_blob(entry.val) else 0 for entry in self._lww.entries()
        )

    def observe(self, handler: Handler) -> Callable[[], None]:
        """Call ``handler`` with readable changes, once for each transaction; returns what ends that.

        Unreadable ones are left out with a warning in the log. It runs with the document's lock held; what it raises
        is logged.
        """
        return self._handlers.add(handler)

    # Writing.

    def set(self, key: str, value: object) -> None:
        """Store ``value``, sealed when the store is active.

        Raises ``InvalidInput`` for a value that JSON cannot carry, ``WrongState`` while it is locked.
        """
        self.bulk_set([(key, value)])

    def bulk_set(self, entries: Iterable[tuple[str, object]]) -> None:
        """``set`` for each of ``entries``, in one transaction. When one is refused, none is written."""
        with self._lock:
            self._check_unlocked()
            self._lww.bulk_set([(key, self._written(key, value)) for key, value in entries])

    def delete(self, key: str) -> None:
        """Remove the entry of ``key``, readable or not. Nothing happens where there is none."""
        self.bulk_delete([key])

    def bulk_delete(self, keys: Iterable[str]) -> None:
        """``delete`` for each of ``keys``, in one transaction. Raises ``WrongState`` while it is locked."""
        with self._lock:
            self._check_unlocked()
            self._lww.bulk_delete(keys)

    def clear(self) -> None:
        """Remove every entry, also those that cannot be read."""
        with self._lock:
            self.bulk_delete([entry.key for entry in self._lww.entries()])

    # Within.

    def _active_keys(self) -> WorkspaceKeys:
        self._check_unlocked()
        if self._keys is None:
            raise WrongState(
                "SR-WS-009",
                f"{self._lww.name} is plain: it has no keys to seal with",
                why="its workspace was opened without a keyring",
                fix="open it with one",
            )
        return self._keys

    def _check_unlocked(self) -> None:
        if self._locked:
            raise WrongState(
                "SR-WS-010",
                f"{self._lww.name} is locked",
                why="its keys were dropped, by a sign-out or on demand",
                fix="unlock the workspace: sign in, or mount it again",
            )

    def _written(self, key: str, value: object) -> object:
        keys = self._keys
        if keys is None:
            return check_json(value)
        return self._sealer.maker(keys, key, json_bytes(value))

    def _reading(self, key: str, ts: int, val: object, *, keys: WorkspaceKeys | None = None) -> Reading:
        keys = keys or self._keys
        if not is_encrypted_blob(val):
            believed = not self._strict or (keys is None and not self._locked)
            return Present(shown_json(val)) if believed else Unreadable(_PLAINTEXT, None)
        version = get_key_version(val)
        if keys is None:
            state = "locked" if self._locked else "encryption not active"
            return Unreadable(f"keyVersion={version}, {state}", version)
        try:
            return Present(json_of(self._sealer.open(keys, key, ts, val)))
        except (StrongroomError, ValueError) as fault:
            return Unreadable(self._sealer.reason(keys, fault, val), version)

    def _is_for_activation(self, keys: WorkspaceKeys, val: object) -> bool:
        if not is_encrypted_blob(val):
            return not self._strict
        return get_key_version(val) != keys.writing_version

    def _is_stale(self, keys: WorkspaceKeys, val: object) -> bool:
        return self._is_for_activation(keys, val) or (is_encrypted_blob(val) and self._sealer.is_stale(keys, val))

    def _newly_readable(self, before: WorkspaceKeys | None, keys: WorkspaceKeys) -> Mapping[str, Change]:
        """What opens with ``keys`` and was not readable before. Most entries tell it by their version."""
        same = {
            version
            for version in keys.versions
            if before and version in before and before.key(version).fingerprint() == keys.key(version).fingerprint()
        }
        found: dict[str, Change] = {}
        for entry in self._lww.entries():
            if not is_encrypted_blob(entry.val) or get_key_version(entry.val) in same:
                continue
            reading = self._reading(entry.key, entry.ts, entry.val)
            if isinstance(reading, Present) and not (
                before and isinstance(self._reading(entry.key, entry.ts, entry.val, keys=before), Present)
            ):
                found[entry.key] = Change("add", reading.value, entry.ts)
        return found

    def _announce(self, changes: Mapping[str, Change]) -> None:
        if changes:
            self._lww.document.tell_later(lambda: self._handlers.tell(changes, None))

    def _on_changes(self, changes: Mapping[str, Change], origin: object) -> None:
        if origin is SEALED_AGAIN or not self._handlers:
            return
        shown: dict[str, Change] = {}
        unreadable: dict[str, str] = {}
        for key, change in changes.items():
            if change.action == "delete":
                shown[key] = change
                continue
            reading = self._reading(key, change.ts, change.new_value)
            if isinstance(reading, Present):
                shown[key] = Change(change.action, reading.value, change.ts)
            elif isinstance(reading, Unreadable):
                unreadable[key] = reading.reason
        if self._keys is not None:
            warn_of(unreadable)
        self._handlers.tell(shown, None if isinstance(origin, PrivateOrigin) else origin)
