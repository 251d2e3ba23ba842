"""``ValueSealer``: sealed values of one array, in both formats.

A blob of format 2 opens at its place only: owner, document, array, key of the entry and its time. Format 1 knows the
key of the entry alone, so such a blob can be carried to the same key of another array, and an old one put back.
Source: contracts/workspace-encryption.md 5, 7 and 17 rows 3, 7 and 12.
"""

from collections.abc import Callable
from typing import Final

from strongroom.crypto.workspace_blob import (
    FORMAT_BOUND,
    FORMAT_PLAIN,
    ValuePlace,
    get_format_version,
    get_key_version,
    open_placed,
    open_value,
    seal_placed,
    seal_value,
)
from strongroom.crypto.workspace_text import text_bytes
from strongroom.errors import InvalidInput, KeyMissing, Tampered
from strongroom.keyring.workspace_keys import WorkspaceKeys

__all__ = ["ValueSealer"]


class ValueSealer:
    """Seals and opens with whatever keys it is given; keeps none."""

    def __init__(self, owner_id: str, guid: str, array: str, write_format: int) -> None:
        """Raises ``InvalidInput`` for a format that is not 1 or 2."""
        if write_format not in (FORMAT_PLAIN, FORMAT_BOUND):
            raise InvalidInput(
                "SR-WS-011",
                f"values cannot be written in format {write_format}",
                fix="take 2, or 1 where JavaScript peers read them",
                field="write_format",
            )
        self._owner_id: Final = owner_id
        self._guid: Final = guid
        self._array: Final = array
        self._bound: Final = write_format == FORMAT_BOUND

    def seal(self, keys: WorkspaceKeys, key: str, ts: int, plaintext: bytes) -> bytes:
        """``plaintext`` for the entry ``key`` with the time ``ts``, under the writing version."""
        version = keys.writing_version
        if self._bound:
            return seal_placed(keys.key(version), version, plaintext, self._place(key, ts))
        return seal_value(keys.key(version), version, plaintext, text_bytes(key))

    def maker(self, keys: WorkspaceKeys, key: str, plaintext: bytes) -> Callable[[int], bytes]:
        """``seal``, for the time that the store hands out."""
        return lambda ts: self.seal(keys, key, ts, plaintext)

    def open(self, keys: WorkspaceKeys, key: str, ts: int, blob: bytes) -> bytes:
        """The plaintext of a blob found at the entry ``key`` with the time ``ts``.

        Raises ``KeyMissing`` when the version that it names is not there, ``Tampered`` for all else.
        """
        version = get_key_version(blob)
        if get_format_version(blob) != FORMAT_PLAIN:
            return open_placed(keys.key(version), blob, self._place(key, ts))
        try:
            # The header of this format is not authenticated, so the writing key is tried whatever it says.
            return open_value(keys.key(keys.writing_version), blob, text_bytes(key))
        except Tampered:
            if version == keys.writing_version:
                raise
        return open_value(keys.key(version), blob, text_bytes(key))

    def is_stale(self, keys: WorkspaceKeys, blob: bytes) -> bool:
        """Whether sealing again would change anything: another version, or the format that binds less."""
        old_format = self._bound and get_format_version(blob) == FORMAT_PLAIN
        return old_format or get_key_version(blob) != keys.writing_version

    def reason(self, keys: WorkspaceKeys, fault: Exception, blob: bytes) -> str:
        """Why a blob does not open."""
        if isinstance(fault, KeyMissing):
            versions = ", ".join(map(str, keys.versions))
            return f"keyVersion={get_key_version(blob)} not in keyring [{versions}]"
        return "wrong key material or corrupted blob"

    def _place(self, key: str, ts: int) -> ValuePlace:
        return ValuePlace(self._owner_id, self._guid, self._array, key, ts)
