"""No engine without encryption: what seals the data of runs has all three parts, or nothing starts.

Elsewhere each part may be missing, and a missing one means plaintext; here it means that the host does not start.
Source: contracts/run-encryption.md 6, 14 rows 3 and 5.
"""

from typing import Final, TypeVar

from strongroom.errors import Misconfigured

__all__ = ["PARTS", "complete"]

PARTS: Final = ("encrypt", "decrypt", "get_key_material")
Encryptor = TypeVar("Encryptor")


def complete(encryptor: Encryptor) -> Encryptor:
    """``encryptor`` itself when it has every part. Raises ``Misconfigured`` that names those that are missing."""
    missing = [part for part in PARTS if not callable(getattr(encryptor, part, None))]
    if missing:
        raise Misconfigured(
            "SR-SEAL-101",
            "the engine does not start without encryption of run data",
            why=f"its encryptor lacks {', '.join(missing)}",
            fix="give one that has all three parts, such as RunEncryptor",
            where="encryptor",
        )
    return encryptor
