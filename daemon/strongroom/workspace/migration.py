"""Old values become values of today: those of March 2026, and what was never sealed.

Rule 1: time and place of an entry stay, so that any edit wins over its migration, also one that is not here yet.
Rule 2: what does not open, and what JSON cannot carry, stays as it is and is reported with its reason.
Rule 3: a second run finds nothing to do. A dry run writes nothing and reports the same.
Rule 4: it is asked for by a person: what a relay put into the document unsealed would become trusted by it.
Source: contracts/workspace-encryption.md 15 "Migration (ours)" and 17 row 4.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.crypto.archived_blob import is_archived_blob, open_archived
from strongroom.crypto.keys import Key
from strongroom.crypto.workspace_blob import is_encrypted_blob
from strongroom.errors import StrongroomError
from strongroom.workspace.lww import LwwStore, Make
from strongroom.workspace.stored_value import check_json, json_bytes, json_of
from strongroom.workspace.watcher import PrivateOrigin
from strongroom.workspace.workspace import UnreadableEntry, Workspace

__all__ = ["Migration", "migrate"]

BATCH_BYTES_MAX: Final = 2 * 1024 * 1024
"""Of values in one transaction, whose update must fit into one message to a peer, of 5 MiB. Below it there is one."""
_ORIGIN: Final = PrivateOrigin("old values are migrated")
_NO_KEY: Final = "an archived value that no given key opens"
_NO_JSON: Final = "an archived value that holds no JSON"
_NO_VALUE: Final = "plaintext that JSON cannot carry"


@dataclass(frozen=True, slots=True)
class Migration:
    """How many entries were archived values and plaintext, and are sealed now; how many were sealed before; and what
    stays as it is. In a dry run the first two are those that would be sealed."""

    archived: int
    plaintext: int
    sealed_before: int
    unreadable: tuple[UnreadableEntry, ...]


def migrate(workspace: Workspace, archived_keys: Sequence[Key] = (), *, dry_run: bool = False) -> Migration:
    """Seal every old value of ``workspace`` under its writing version, in the format that it writes.

    ``archived_keys`` are tried in turn: ``Key.from_secret`` of a deployment's secret, ``key_of_password`` with
    ``archived_salt``. Raises ``WrongState`` when the workspace is plain or locked.
    """
    archived = plaintext = sealed_before = 0
    unreadable: list[UnreadableEntry] = []
    with workspace.document.settled():
        for array in workspace.arrays():
            lww = workspace.raw_store(array)
            sealed = _Sealing(workspace, lww, is_dry=dry_run)
            for key, ts, val in [(entry.key, entry.ts, entry.val) for entry in lww.entries()]:
                if is_encrypted_blob(val):
                    inner = sealed.archived_in(key, ts, val, archived_keys)
                    if inner is None:
                        sealed_before += 1
                    else:
                        sealed.add(key, inner)
                        archived += 1
                    continue
                found = _plaintext(val, archived_keys)
                if isinstance(found, str):
                    unreadable.append(UnreadableEntry(array, key, found, None))
                    continue
                sealed.add(key, found)
                if is_archived_blob(val):
                    archived += 1
                else:
                    plaintext += 1
            sealed.write()
    return Migration(archived, plaintext, sealed_before, tuple(unreadable))


def _plaintext(val: object, archived_keys: Sequence[Key]) -> bytes | str:
    """The JSON text of a value that is not sealed, or the reason why there is none."""
    if not is_archived_blob(val):
        try:
            return json_bytes(check_json(val))
        except StrongroomError:
            return _NO_VALUE
    for opened in _opened(val, archived_keys):
        try:
            json_of(opened)
        except ValueError:
            return _NO_JSON
        return opened
    return _NO_KEY


def _opened(val: Mapping[str, object], archived_keys: Sequence[Key]) -> Iterator[bytes]:
    for key in archived_keys:
        try:
            yield open_archived(key, val)
        except StrongroomError:
            continue


class _Sealing:
    """What is to be sealed in one array, written in as few transactions as fit."""

    def __init__(self, workspace: Workspace, lww: LwwStore, *, is_dry: bool) -> None:
        self._lww = lww
        self._sealer, self._keys = workspace.sealing(lww.name)
        self._is_dry = is_dry
        self._waiting: list[tuple[str, Make]] = []
        self._bytes = 0

    def archived_in(self, key: str, ts: int, blob: bytes, archived_keys: Sequence[Key]) -> bytes | None:
        """The JSON text of an archived value that was taken for plaintext and sealed as it stood."""
        if not archived_keys:
            return None
        try:
            val = json_of(self._sealer.open(self._keys, key, ts, blob))
        except (StrongroomError, ValueError):
            return None
        found = _plaintext(val, archived_keys) if is_archived_blob(val) else None
        return found if isinstance(found, bytes) else None

    def add(self, key: str, plaintext: bytes) -> None:
        """Have ``plaintext`` sealed as the value of ``key``."""
        if self._waiting and self._bytes + len(plaintext) > BATCH_BYTES_MAX:
            self.write()
        self._waiting.append((key, lambda ts: self._sealer.seal(self._keys, key, ts, plaintext)))
        self._bytes += len(plaintext)

    def write(self) -> None:
        """Write what waits."""
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        if waiting and not self._is_dry:
            self._lww.replace_in_place(waiting, _ORIGIN)
