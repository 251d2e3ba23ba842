"""Length-prefixed bytes: how several values become one without a border that can shift.

Every derivation, MAC and associated data of strongroom is built from ``L(x) = length u64 big-endian ‖ x``.
Source: contracts/run-encryption.md 14.1.
"""

from typing import Final

from strongroom.errors import InvalidInput

__all__ = ["LENGTHS", "encoded", "length_prefixed"]

LENGTHS: Final = tuple(size.to_bytes(8, "big") for size in range(1024))
"""Those of almost everything that is framed, made once: a run frames some fifty values."""


def length_prefixed(*parts: bytes | str) -> bytes:
    """``L(part)`` of every part, joined; text is UTF-8.

    No two lists of parts give the same bytes. Raises ``InvalidInput`` for text that UTF-8 cannot carry.
    """
    framed: list[bytes] = []
    for part in parts:
        raw = encoded(part) if isinstance(part, str) else part
        size = len(raw)
        framed += (LENGTHS[size] if size < len(LENGTHS) else size.to_bytes(8, "big"), raw)
    return b"".join(framed)


def encoded(text: str) -> bytes:
    """``text`` as UTF-8. Raises ``InvalidInput`` for what UTF-8 cannot carry."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        # The text itself stays out of the message: it may be a label chosen to be private.
        raise InvalidInput(
            "SR-SEAL-002",
            "a name cannot be sealed",
            why="it holds a lone surrogate, which UTF-8 cannot carry",
            fix="send valid Unicode text",
        ) from None
