"""Sealed values of encrypted workspaces: ``format ‖ key version ‖ nonce 24 ‖ ciphertext ‖ tag 16``.

Format 1 is that of the Epicenter workspaces: the associated data is whatever the caller gives, and the two bytes in
front are not authenticated. Format 2 is ours: it opens only as the value of one key of one array of one document of one
owner with one timestamp, and its header is authenticated.

Rule 1: the header chooses a key and nothing else, before the blob is open.
Rule 2: a blob of one format never opens as the other.
Source: contracts/workspace-encryption.md 5 and 17 rows 3, 7 and 12; docs/workspace-format.md has every byte.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeGuard

from strongroom.crypto.framing import encoded, length_prefixed
from strongroom.crypto.keyring_entry import is_key_version
from strongroom.crypto.keys import Key
from strongroom.crypto.xchacha import OVERHEAD_BYTES, decrypt, encrypt
from strongroom.errors import InvalidInput, Tampered

__all__ = [
    "BLOB_BYTES_MIN",
    "FORMAT_BOUND",
    "FORMAT_PLAIN",
    "ValuePlace",
    "get_format_version",
    "get_key_version",
    "is_encrypted_blob",
    "open_placed",
    "open_value",
    "seal_placed",
    "seal_value",
]

FORMAT_PLAIN: Final = 1
FORMAT_BOUND: Final = 2
HEADER_BYTES: Final = 2
BLOB_BYTES_MIN: Final = HEADER_BYTES + OVERHEAD_BYTES
TS_MS_MAX: Final = 2**64 - 1
STORES_KEPT_MAX: Final = 256
"""Beginnings of associated data that are kept: one for each array in use, times the versions that it is read with."""


@dataclass(frozen=True, slots=True)
class ValuePlace:
    """Where a value belongs: the entry ``key``, written at ``ts_ms``, in an array of an owner's document ``guid``."""

    owner_id: str
    guid: str
    array: str
    key: str
    ts_ms: int


def seal_value(key: Key, key_version: int, plaintext: bytes, associated_data: bytes) -> bytes:
    """A blob of format 1. Raises ``InvalidInput`` for a version out of 1..255, ``LimitExceeded`` above 1 GiB."""
    # ``is_key_version``, written flat: this is done for every value.
    if type(key_version) is not int or not 0 < key_version < len(_PLAIN_HEADERS):
        raise _wrong_version()
    return encrypt(key, plaintext, associated_data, _PLAIN_HEADERS[key_version])


def open_value(key: Key, blob: bytes, associated_data: bytes) -> bytes:
    """The plaintext of a blob of format 1.

    Raises ``InvalidInput`` for another format, ``Tampered`` for all else that is wrong with it.
    """
    if not blob or blob[0] != FORMAT_PLAIN:
        raise _unknown_format(blob)
    return decrypt(key, blob, associated_data, HEADER_BYTES)


def seal_placed(key: Key, key_version: int, plaintext: bytes, place: ValuePlace) -> bytes:
    """A blob of format 2, which opens at ``place`` only.

    Raises ``InvalidInput`` for a version out of 1..255, a time that is no u64 and text that UTF-8 cannot carry, and
    ``LimitExceeded`` above 1 GiB.
    """
    if not is_key_version(key_version):
        raise _wrong_version()
    return encrypt(key, plaintext, _associated_data(key_version, place), _BOUND_HEADERS[key_version])


def open_placed(key: Key, blob: bytes, place: ValuePlace) -> bytes:
    """The plaintext of a blob of format 2 that was found at ``place``.

    Raises ``InvalidInput`` for another format, ``Tampered`` for all else: also for a place where nothing can have been
    sealed.
    """
    if not blob or blob[0] != FORMAT_BOUND:
        raise _unknown_format(blob)
    if len(blob) < BLOB_BYTES_MIN:
        raise Tampered
    try:
        associated = _associated_data(blob[1], place)
    except InvalidInput:
        raise Tampered from None
    return decrypt(key, blob, associated, HEADER_BYTES)


def is_encrypted_blob(value: object) -> TypeGuard[bytes]:
    """Whether ``value`` is a blob of either format by its looks: ``bytes``, long enough, a known first byte."""
    return type(value) is bytes and len(value) >= BLOB_BYTES_MIN and value[0] in (FORMAT_PLAIN, FORMAT_BOUND)


def get_key_version(blob: bytes) -> int:
    """The key version that a blob names, 0..255. Raises ``Tampered`` when it is too short to name one."""
    if len(blob) < HEADER_BYTES:
        raise Tampered
    return blob[1]


def get_format_version(blob: bytes) -> int:
    """The format that a blob names. Raises ``InvalidInput`` when it is none of ours."""
    if not blob or blob[0] not in (FORMAT_PLAIN, FORMAT_BOUND):
        raise _unknown_format(blob)
    return blob[0]


def _wrong_version() -> InvalidInput:
    return InvalidInput(
        "SR-KEY-010",
        "Encryption key version must be an integer from 1 to 255",
        fix="give the version of a key of the keyring",
        field="key_version",
    )


def _unknown_format(blob: bytes) -> InvalidInput:
    found = blob[0] if blob else "undefined"
    return InvalidInput(
        "SR-KEY-011",
        f"Unknown encryption format version: {found}. This blob may require a newer client.",
        fix="update strongroom if a newer version wrote it; nothing was changed",
        field="value",
    )


def _associated_data(key_version: int, place: ValuePlace) -> bytes:
    ts_ms = place.ts_ms
    if type(ts_ms) is not int or not 0 <= ts_ms <= TS_MS_MAX:
        raise InvalidInput("SR-KEY-013", f"a time of an entry is a number in 0..{TS_MS_MAX}", field="ts")
    beginning = _of_store(key_version, place.owner_id, place.guid, place.array)
    key = encoded(place.key)
    # What ``length_prefixed`` gives, written flat: this is done for every value that is sealed or opened.
    return b"".join((beginning, len(key).to_bytes(8, "big"), key, _TS_LENGTH, ts_ms.to_bytes(8, "big")))


@lru_cache(STORES_KEPT_MAX)
def _of_store(key_version: int, owner_id: str, guid: str, array: str) -> bytes:
    """What the associated data of all values of one array and key version begin with."""
    return length_prefixed(bytes((FORMAT_BOUND,)), bytes((key_version,)), owner_id, guid, array)


_PLAIN_HEADERS: Final = tuple(bytes((FORMAT_PLAIN, version)) for version in range(256))
_BOUND_HEADERS: Final = tuple(bytes((FORMAT_BOUND, version)) for version in range(256))
_TS_LENGTH: Final = (8).to_bytes(8, "big")
