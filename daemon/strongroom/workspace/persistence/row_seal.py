"""How a row of a sealed log is sealed, and what it is bound to.

A row is a blob of format 1 (contracts/workspace-encryption.md 5) under the workspace's key for logs. Its associated
data is, each part length-prefixed: ``strongroom/workspace-update-log``, the layout (one byte, 1), the key version (one
byte), the owner id, the guid of the document, the purpose and the id of the row (u64, big-endian). So a row opens as
what it was written as and where it was written: under its number, for its document and its owner. A header byte that
was changed does not open either, because what it says is in the associated data.

Purposes: ``update`` is one update of encoding V1, ``state`` the whole state at a compaction, ``head`` what the log
holds.
"""

from dataclasses import dataclass, field
from typing import Final

from strongroom.crypto.framing import length_prefixed
from strongroom.crypto.workspace_blob import get_key_version
from strongroom.errors import InvalidInput, KeyMissing, Tampered
from strongroom.keyring.workspace_keys import WorkspaceKeys
from strongroom.storage.update_log_rows import NewRow, Row

__all__ = ["HEAD", "STATE", "UPDATE", "CannotOpen", "RowSeal"]

UPDATE: Final = "update"
STATE: Final = "state"
HEAD: Final = "head"
HEAD_ID: Final = 0
"""The number that the head is sealed to; rows count from 1."""

_PURPOSE: Final = "workspace-update-log"
"""What rows have keys of their own for."""
_LABEL: Final = "strongroom/workspace-update-log"
_LAYOUT: Final = b"\x01"


class CannotOpen(Exception):
    """Why a row stays closed: ``reason``, the key version that it names, and whether that one would open it."""

    def __init__(self, reason: str, key_version: int, *, lacks_key: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.key_version = key_version
        self.lacks_key = lacks_key


@dataclass(frozen=True, slots=True)
class RowSeal:
    """Seals and opens the rows of one document of one owner."""

    owner_id: str
    guid: str
    _beginnings: dict[int, bytes] = field(default_factory=dict, init=False, repr=False)

    def seal(self, keys: WorkspaceKeys, purpose: str, row_id: int, plaintext: bytes) -> NewRow:
        """``plaintext`` as the row ``row_id``, under the writing version of ``keys``."""
        version = keys.writing_version
        associated_data = self._associated_data(version, purpose, row_id)
        return NewRow(purpose, version, keys.apart(_PURPOSE).seal(plaintext, associated_data))

    def open(self, keys: WorkspaceKeys, row: Row) -> bytes:
        """What the row holds. Raises ``CannotOpen``."""
        if row.data is None:
            raise CannotOpen(f"it holds {row.size} bytes of something that no row is", row.key_version)
        if row.purpose not in (UPDATE, STATE):
            raise CannotOpen("its purpose is none that this release knows", row.key_version)
        if row.id < 1:
            raise CannotOpen("its number is none that a log gives", row.key_version)
        version = self._version(row.data)
        if version != row.key_version:
            raise CannotOpen("its column names another key version than its header", row.key_version)
        return self._open(keys, row.purpose, row.id, row.data)

    def seal_head(self, keys: WorkspaceKeys, plaintext: bytes) -> bytes:
        """``plaintext`` as the head of the log."""
        return self.seal(keys, HEAD, HEAD_ID, plaintext).data

    def open_head(self, keys: WorkspaceKeys, blob: bytes) -> bytes:
        """What the head holds. Raises ``CannotOpen``."""
        return self._open(keys, HEAD, HEAD_ID, blob)

    def _open(self, keys: WorkspaceKeys, purpose: str, row_id: int, blob: bytes) -> bytes:
        version = self._version(blob)
        try:
            return keys.apart(_PURPOSE).open(blob, self._associated_data(version, purpose, row_id))
        except KeyMissing:
            held = ", ".join(map(str, keys.versions))
            reason = f"it needs key version {version}, the keyring holds {held}"
            raise CannotOpen(reason, version, lacks_key=True) from None
        except (Tampered, InvalidInput):
            reason = "it failed authentication: it was changed, moved, or belongs to another workspace, owner or key"
            raise CannotOpen(reason, version) from None

    def _version(self, blob: bytes) -> int:
        try:
            return get_key_version(blob)
        except Tampered:
            raise CannotOpen("it is too short to be sealed", 0) from None

    def _associated_data(self, version: int, purpose: str, row_id: int) -> bytes:
        beginning = self._beginnings.get(version)
        if beginning is None:
            parts = (_LABEL, _LAYOUT, bytes((version,)), self.owner_id, self.guid)
            beginning = self._beginnings[version] = length_prefixed(*parts)
        return beginning + length_prefixed(purpose, row_id.to_bytes(8, "big"))
