"""What strict refuses: plaintext where ciphertext belongs, on the way in and on the way out.

Elsewhere a payload without a known prefix is passed on as it is, so whoever can write to the storage of a run can
replace what is encrypted by what is not. Source: contracts/run-encryption.md 14 rows 1 and 3.
"""

from strongroom.crypto.payload_format import shown_format
from strongroom.errors import InvalidInput, RuntimeDecryptionError

__all__ = ["no_key_to_write", "not_encrypted"]


def not_encrypted(payload: bytes | None) -> RuntimeDecryptionError:
    """Somebody expects an encrypted payload and this one is not, or is not even binary."""
    return RuntimeDecryptionError(
        "SR-INTEROP-020",
        "a payload is not encrypted",
        why="it starts with neither 'encr' nor 'encp'",
        fix="find out who wrote it; data from before its run was encrypted is read with strict=False",
        byte_length=len(payload or b""),
        format_prefix=shown_format(payload or b""),
    )


def no_key_to_write() -> InvalidInput:
    """Somebody would write plaintext without having said so."""
    return InvalidInput(
        "SR-INTEROP-021",
        "a payload would be written in the clear",
        why="it is not bytes, or there is no key for its run",
        fix="give the run's key or its public key, or strict=False for a run that is not encrypted",
        field="keys",
    )
