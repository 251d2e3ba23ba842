"""The header that both of our envelopes share: ``prefix 4 ‖ key version u32 big-endian ‖ AES-256-GCM``."""

from typing import Final

from strongroom.crypto.aes_gcm import OVERHEAD_BYTES
from strongroom.errors import InvalidInput, Tampered

__all__ = ["ENVELOPE_BYTES_MIN", "HEADER_BYTES", "header", "version_of"]

HEADER_BYTES: Final = 8
ENVELOPE_BYTES_MIN: Final = HEADER_BYTES + OVERHEAD_BYTES
KEY_VERSION_MAX: Final = 2**32 - 1


def header(prefix: bytes, key_version: int) -> bytes:
    """The first 8 bytes of an envelope. Raises ``InvalidInput`` when the version is no u32."""
    if not 0 <= key_version <= KEY_VERSION_MAX:
        raise InvalidInput(
            "SR-SEAL-003", f"key version {key_version} is not in 0..{KEY_VERSION_MAX}", field="key_version"
        )
    return prefix + key_version.to_bytes(4, "big")


def version_of(prefix: bytes, untrusted: bytes) -> int:
    """The key version that an envelope names; it is not authenticated before the envelope opens.

    Raises ``Tampered`` when the bytes are too short for an envelope or start with another prefix.
    """
    # SQLite keeps a value of any type in any column, so what should be bytes may come back as something else.
    if not isinstance(untrusted, bytes) or len(untrusted) < ENVELOPE_BYTES_MIN or not untrusted.startswith(prefix):
        raise Tampered
    return int.from_bytes(untrusted[4:HEADER_BYTES], "big")
