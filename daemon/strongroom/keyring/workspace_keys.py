"""The keys of one workspace by version, derived from the keyring of its owner.

Source: contracts/workspace-encryption.md 4 and 5.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from strongroom.crypto.framing import encoded
from strongroom.crypto.keyring_entry import Keyring, KeyringEntry
from strongroom.crypto.keys import Key
from strongroom.crypto.workspace_blob import get_key_version, open_value, seal_value
from strongroom.errors import InvalidInput, KeyMissing

__all__ = ["WorkspaceKeys", "derive_workspace_keys", "keys_by_version"]

_LABEL: Final = b"workspace:"
_PURPOSE: Final = b"strongroom/"


class WorkspaceKeys:
    """At least one key, by version. It shows versions only."""

    __slots__ = ("_apart", "_keys", "versions", "writing_version")

    def __init__(self, keys: Mapping[int, Key], writing_version: int) -> None:
        """Take ``keys``; the one of ``writing_version`` seals. Raises ``InvalidInput`` when it is not among them."""
        if not keys:
            raise InvalidInput("SR-KEYRING-014", "Keyring must contain at least one key", field="keyring")
        self._keys = dict(keys)
        self._apart: dict[str, WorkspaceKeys] = {}
        self.versions: tuple[int, ...] = tuple(sorted(self._keys, reverse=True))
        self.writing_version: int = writing_version
        self.key(writing_version)

    def key(self, version: int) -> Key:
        """The key of ``version``. Raises ``KeyMissing`` when there is none."""
        found = self._keys.get(version)
        if found is None:
            raise KeyMissing(
                "SR-KEY-012",
                f"Cannot decrypt encrypted blob: key version {version} is not in the keyring.",
                fix="add that version to the keyring; nothing was changed",
                key_version=version,
            )
        return found

    def __contains__(self, version: object) -> bool:
        """Whether there is a key of ``version``."""
        return version in self._keys

    def seal(self, plaintext: bytes, associated_data: bytes) -> bytes:
        """A blob of format 1 under the writing version."""
        return seal_value(self._keys[self.writing_version], self.writing_version, plaintext, associated_data)

    def open(self, blob: bytes, associated_data: bytes) -> bytes:
        """The plaintext of a blob of format 1, with the key that its header names.

        Raises ``KeyMissing``, ``InvalidInput`` for another format, ``Tampered`` for all else.
        """
        return open_value(self.key(get_key_version(blob)), blob, associated_data)

    def apart(self, purpose: str) -> "WorkspaceKeys":
        """The same versions with a key of its own each, for something that is no value.

        A value of format 1 is bound to nothing but its entry key, which a peer may choose. Under one key a row of a log
        could be planted as the value of an entry that is called as its associated data.
        """
        known = self._apart.get(purpose)
        if known is None:
            info = _PURPOSE + encoded(purpose)
            keys = {version: key.derive(salt=b"", info=info) for version, key in self._keys.items()}
            known = self._apart[purpose] = WorkspaceKeys(keys, self.writing_version)
        return known

    def __repr__(self) -> str:
        """The versions."""
        return f"<WorkspaceKeys versions {', '.join(map(str, self.versions))}>"


def derive_workspace_keys(keyring: Keyring, workspace_id: str) -> WorkspaceKeys:
    """The keys of ``workspace_id`` for every version of ``keyring``.

    Raises ``InvalidInput`` for a repeated version, a text that is no key and an id that UTF-8 cannot carry.
    """
    return WorkspaceKeys(keys_by_version(keyring.entries, workspace_id), keyring.writing_version)


def keys_by_version(entries: Iterable[KeyringEntry], workspace_id: str) -> dict[int, Key]:
    """What ``derive_workspace_keys`` derives; nothing from nothing."""
    info = _LABEL + encoded(workspace_id)
    keys: dict[int, Key] = {}
    for entry in entries:
        if entry.version in keys:
            raise InvalidInput(
                "SR-KEYRING-016",
                f"Keyring has duplicate version: {entry.version}",
                fix="keep one entry for each version",
                field="version",
                key_version=entry.version,
            )
        keys[entry.version] = entry.key().derive(salt=b"", info=info)
    return keys
