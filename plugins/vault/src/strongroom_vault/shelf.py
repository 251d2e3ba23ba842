"""Where secrets lie: in the vault's file, each sealed under the vault's own key, together with what it asks of readers.

Each record is bound to owner, namespace and key: moved to another place, it does not open. A secret's version counts
up and never repeats for one name, even when the secret was deleted in between, because each owner has a floor that
remembers the highest version ever deleted. (Whoever puts an older record back in its place is not detected here.)
"""

import struct
from dataclasses import dataclass, field
from typing import Final

from strongroom.attest.secret_entry import SecretEntry, decode_secret_entry
from strongroom.crypto.record import open_record, seal_record
from strongroom.plugin import EvidenceRejected, KeyMissing, Store, Tampered
from strongroom_vault.key import VaultKey
from strongroom_vault.limits import VALUE_BYTES_MAX
from strongroom_vault.names import STORE_PREFIX, SecretName

__all__ = ["Shelf", "StoredSecret"]

KEY_VERSION: Final = 1
_CHECK_KEY: Final = "key-check"
_FLOOR_KEY: Final = "version-floor"
_FORMAT: Final = 1
_RECORD: Final = struct.Struct(">BQQQ")
_FLOOR: Final = struct.Struct(">Q")
_CHECK_TEXT: Final = b"strongroom vault key check"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSecret:
    """A value with its history, and what it asks of those who read it. Times are Unix milliseconds."""

    version: int
    created_ms: int
    updated_ms: int
    entry: SecretEntry = field(repr=False)


class Shelf:
    """The secrets of all owners. Callers that write hold one lock around what they read and write."""

    def __init__(self, store: Store, key: VaultKey) -> None:
        self._store = store
        self._key = key

    @staticmethod
    def in_use(store: Store) -> bool:
        """Whether a vault has ever opened this store. It leaves its key check there before the first secret."""
        return store.get(_CHECK_KEY) is not None

    def check_key(self) -> None:
        """Make sure that this key opens what is stored; an empty shelf remembers it. Raises ``KeyMissing``."""
        stored = self._store.get(_CHECK_KEY)
        if stored is None:
            self._store.put(_CHECK_KEY, self._key.key_id.encode() + self._seal(("key-check",), _CHECK_TEXT))
            return
        expected = stored[: len(self._key.key_id)].decode("ascii", "replace")
        try:
            matches = self._open(("key-check",), stored[len(self._key.key_id) :]) == _CHECK_TEXT
        except Tampered:
            matches = False
        if not matches:
            raise KeyMissing(
                "SR-VAULT-002",
                f"the stored secrets need vault key {expected!r}, and the key file holds {self._key.key_id!r}",
                fix="give the vault the key file that these secrets were stored under; nothing was changed",
                expected=expected,
                offered=self._key.key_id,
            )

    def get(self, name: SecretName) -> StoredSecret | None:
        """The secret, or None. Raises ``Tampered``."""
        blob = self._store.get(name.store_key, owner=name.owner)
        if blob is None:
            return None
        record = self._open(_place(name), blob)
        form, version, created_ms, updated_ms = _RECORD.unpack_from(record)
        if form != _FORMAT:
            raise Tampered("vault record")
        try:
            entry = decode_secret_entry(record[_RECORD.size :], bytes_max=VALUE_BYTES_MAX)
        except EvidenceRejected:
            raise Tampered("vault record") from None
        return StoredSecret(version=version, created_ms=created_ms, updated_ms=updated_ms, entry=entry)

    def holds(self, name: SecretName) -> bool:
        """Whether there is a record, without opening it."""
        return self._store.get(name.store_key, owner=name.owner) is not None

    def put(self, name: SecretName, entry: SecretEntry, *, previous: StoredSecret | None, now_ms: int) -> StoredSecret:
        """Store ``entry`` after ``previous``; it is on disk when this returns."""
        version = (previous.version if previous else self._floor(name.owner)) + 1
        created_ms = previous.created_ms if previous else now_ms
        record = _RECORD.pack(_FORMAT, version, created_ms, now_ms)
        record += entry.encode(bytes_max=VALUE_BYTES_MAX)
        self._store.put(name.store_key, self._seal(_place(name), record), owner=name.owner)
        return StoredSecret(version=version, created_ms=created_ms, updated_ms=now_ms, entry=entry)

    def delete(self, name: SecretName, *, previous: StoredSecret | None) -> None:
        """Remove the record. The floor rises first, so that a crash in between repeats no version."""
        floor = self._floor(name.owner)
        if previous is not None and previous.version > floor:
            sealed = self._seal(("version-floor", name.owner), _FLOOR.pack(previous.version))
            self._store.put(_FLOOR_KEY, sealed, owner=name.owner)
        self._store.delete(name.store_key, owner=name.owner)

    def names(self, owner: str) -> list[SecretName]:
        """Every secret of ``owner``, by namespace and key."""
        names = [SecretName.from_store_key(owner, key) for key in self._store.list(STORE_PREFIX, owner=owner)]
        return sorted(names, key=lambda name: (name.namespace, name.key))

    def _floor(self, owner: str) -> int:
        sealed = self._store.get(_FLOOR_KEY, owner=owner)
        if sealed is None:
            return 0
        floor: int = _FLOOR.unpack(self._open(("version-floor", owner), sealed))[0]
        return floor

    def _seal(self, place: tuple[str, ...], plaintext: bytes) -> bytes:
        return seal_record(self._key.shelf, KEY_VERSION, ("vault", *place), plaintext)

    def _open(self, place: tuple[str, ...], blob: bytes) -> bytes:
        return open_record(lambda _version: self._key.shelf, ("vault", *place), blob)


def _place(name: SecretName) -> tuple[str, ...]:
    return ("secret", name.owner, name.namespace, name.key)
