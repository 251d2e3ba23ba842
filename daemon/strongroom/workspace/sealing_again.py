"""Sealing values again: after a rotation, when a store gets keys, or when plaintext is adopted.

What is sealed again keeps its time and its place (contracts/workspace-encryption.md 17 row 1).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from strongroom.crypto.workspace_blob import is_encrypted_blob
from strongroom.errors import InvalidInput, StrongroomError
from strongroom.keyring.workspace_keys import WorkspaceKeys
from strongroom.workspace.entry import Entry
from strongroom.workspace.lww import LwwStore
from strongroom.workspace.stored_value import json_bytes, shown_json
from strongroom.workspace.value_sealing import ValueSealer
from strongroom.workspace.watcher import PrivateOrigin

__all__ = ["SEALED_AGAIN", "StaleValues", "seal_again"]

BATCH_BYTES_MAX: Final = 2 * 1024 * 1024
"""Of values in one transaction: its update must fit into one message to a peer, of 5 MiB."""
SEALED_AGAIN: Final = PrivateOrigin("values are sealed again")
Anew = Sequence[tuple[Entry, bytes]]
"""Entries as they were read, each with what is to stand in its place."""


class StaleValues:
    """What is left to be sealed again in ``lww``, in the order of the array, where the oldest stand left.

    Opening and sealing, which take longest, are done without the lock of the document, so that others read and write
    meanwhile; an entry that somebody edited in the meantime stays as that left it.
    """

    def __init__(
        self,
        lww: LwwStore,
        sealer: ValueSealer,
        *,
        keys: Callable[[], WorkspaceKeys],
        is_stale: Callable[[WorkspaceKeys, object], bool],
    ) -> None:
        """``keys`` gives those that are active, and raises ``WrongState`` without any."""
        self._lww: Final = lww
        self._sealer: Final = sealer
        self._keys: Final = keys
        self._is_stale: Final = is_stale
        self._waiting: deque[str] = deque()

    def forget(self) -> None:
        """The keys are others now, so what is stale is too."""
        self._waiting.clear()

    def seal_again(self, entries_max: int) -> int:
        """Seal at most ``entries_max`` values again; how many, and 0 once none is left that can be.

        Raises ``WrongState`` without keys, also where they are taken away meanwhile.
        """
        looked_under: WorkspaceKeys | None = None
        while True:
            with self._lww.document.settled():
                keys = self._keys()
                if not self._waiting and looked_under is keys:
                    return 0
                must_look = not self._waiting
                found = self._lww.entries() if must_look else self._next(entries_max)
            due = [entry for entry in found if self._is_stale(keys, entry.val)]
            if must_look:
                looked_under = keys
                self._waiting.extend([entry.key for entry in due])
            elif done := sum(self._put(keys, batch) for batch in _sealed_anew(self._sealer, keys, due)):
                return done

    def _next(self, entries_max: int) -> list[Entry]:
        keys = [self._waiting.popleft() for _ in range(min(max(entries_max, 1), len(self._waiting)))]
        return [entry for key in keys if (entry := self._lww.entry(key)) is not None]

    def _put(self, keys: WorkspaceKeys, batch: Anew) -> int:
        with self._lww.document.settled():
            return _put(self._lww, batch) if self._keys() is keys else 0


def seal_again(lww: LwwStore, sealer: ValueSealer, keys: WorkspaceKeys, entries: Iterable[Entry]) -> int:
    """Seal those of ``entries`` that can be read, in as few transactions as fit; returns how many they were.

    The lock of the document is held.
    """
    return sum(_put(lww, batch) for batch in _sealed_anew(sealer, keys, entries))


def _sealed_anew(sealer: ValueSealer, keys: WorkspaceKeys, entries: Iterable[Entry]) -> Iterator[Anew]:
    """Those that can be read, in batches that fit into a transaction each.

    A sealed text need not be JSON: it is carried over as it is, so that its old key version can be retired.
    """
    batch: list[tuple[Entry, bytes]] = []
    size = 0
    for entry in entries:
        try:
            if is_encrypted_blob(entry.val):
                plaintext = sealer.open(keys, entry.key, entry.ts, entry.val)
            else:
                plaintext = _json_of_plain(entry.val)
        except StrongroomError:
            continue
        if batch and size + len(plaintext) > BATCH_BYTES_MAX:
            yield batch
            batch, size = [], 0
        batch.append((entry, sealer.seal(keys, entry.key, entry.ts, plaintext)))
        size += len(plaintext)
    if batch:
        yield batch


def _put(lww: LwwStore, batch: Anew) -> int:
    """Put each in the place of its entry, if that still stands there; returns how many did."""
    standing = [(entry.key, partial(_given, blob)) for entry, blob in batch if lww.entry(entry.key) is entry]
    return lww.replace_in_place(standing, SEALED_AGAIN)


def _given(blob: bytes, _ts: int) -> bytes:
    """The time is that of the entry, for which it was sealed."""
    return blob


def _json_of_plain(val: object) -> bytes:
    try:
        return json_bytes(val)
    except InvalidInput:
        return json_bytes(shown_json(val))
