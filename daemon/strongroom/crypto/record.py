"""``srr1``: the envelope of single records that no journal holds, such as a workflow's config or a plugin's value.

``"srr1" ‖ key version u32 ‖ nonce 12 ‖ AES-256-GCM ciphertext ‖ tag 16``. The associated data is
``L("srr1") ‖ key version u32 ‖ L(part)`` for each part of the place, so a record opens only where it was sealed.
"""

from collections.abc import Callable, Sequence
from typing import Final

from strongroom.crypto.aes_gcm import decrypt, encrypt
from strongroom.crypto.envelope import HEADER_BYTES, header, version_of
from strongroom.crypto.framing import length_prefixed
from strongroom.crypto.keys import Key

__all__ = ["PREFIX", "open_record", "record_version_of", "seal_record"]

PREFIX: Final = b"srr1"


def seal_record(key: Key, key_version: int, place: Sequence[str | bytes], plaintext: bytes) -> bytes:
    """An envelope of ``plaintext`` that opens at ``place`` only, for example ``(table, row id, column)``."""
    return encrypt(key, plaintext, _associated_data(key_version, place), head=header(PREFIX, key_version))


def open_record(key_of: Callable[[int], Key], place: Sequence[str | bytes], blob: bytes) -> bytes:
    """The plaintext of a record found at ``place``.

    ``key_of`` gives the key of a version, or raises ``KeyMissing``. Every other failure is ``Tampered``.
    """
    version = version_of(PREFIX, blob)
    return decrypt(key_of(version), blob, _associated_data(version, place), behind=HEADER_BYTES)


def record_version_of(blob: bytes) -> int:
    """The key version a record names. Raises ``Tampered`` when it is no ``srr1`` envelope."""
    return version_of(PREFIX, blob)


def _associated_data(key_version: int, place: Sequence[str | bytes]) -> bytes:
    return header(_LABEL, key_version) + length_prefixed(*place)


_LABEL: Final = length_prefixed(PREFIX)
