"""What does not open, told to whoever counts it. The reason is what the bytes and the keyring tell, and no more."""

from collections.abc import Callable

from strongroom.errors import KeyMissing

__all__ = ["KEY_MISSING", "NOT_OURS", "TAMPERED", "Unopened", "reason_of", "unheard"]

KEY_MISSING = "key_missing"
NOT_OURS = "not_ours"
TAMPERED = "tampered"
Unopened = Callable[[str], None]
"""Told one of the reasons."""


def unheard(_reason: str) -> None:
    """Nobody counts."""


def reason_of(error: Exception, blob: bytes, prefix: bytes) -> str:
    """Why ``blob``, which should begin with ``prefix``, did not open: with ``error``."""
    if isinstance(error, KeyMissing):
        return KEY_MISSING
    return TAMPERED if blob[: len(prefix)] == prefix else NOT_OURS
