"""What a payload of another implementation is: its first four bytes say so.

Source: contracts/run-encryption.md 3.
"""

import re
from enum import StrEnum
from typing import Final

from strongroom.errors import LimitExceeded

__all__ = [
    "PAYLOAD_BYTES_MAX",
    "PREFIX_BYTES",
    "Format",
    "binary",
    "check_size",
    "format_of",
    "prefix_of",
    "shown_format",
]

PREFIX_BYTES: Final = 4
PAYLOAD_BYTES_MAX: Final = 100_000_000
"""The largest frame of a stream that others write; no payload is larger, neither sealed nor opened."""
_PREFIX: Final = re.compile(rb"[a-z0-9]{4}")


class Format(StrEnum):
    """The formats that are known, by their prefixes."""

    DEVL = "devl"
    ENCR = "encr"
    ENCP = "encp"
    GZIP = "gzip"
    ZSTD = "zstd"

    @property
    def prefix(self) -> bytes:
        """The four bytes."""
        return self.value.encode()


def binary(value: object) -> bytes | None:
    """The bytes of ``value`` where it is binary; data from before there were prefixes is not."""
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else None


def prefix_of(payload: bytes) -> str | None:
    """The first four bytes where they can be a prefix: lower-case letters and digits."""
    found = _PREFIX.match(payload)
    return found[0].decode() if found else None


def format_of(payload: bytes) -> Format | None:
    """The known format that a payload names."""
    prefix = prefix_of(payload)
    return Format(prefix) if prefix in _KNOWN else None


def shown_format(payload: bytes) -> str:
    """What a message may say of the first four bytes: unless they are a known prefix they may be part of a secret."""
    return format_of(payload) or ""


def check_size(size: int) -> None:
    """Raise ``LimitExceeded`` for a payload of so many bytes that it is larger than any may be."""
    if size > PAYLOAD_BYTES_MAX:
        raise LimitExceeded(
            "SR-INTEROP-012",
            f"a payload of {size} bytes is larger than {PAYLOAD_BYTES_MAX}",
            fix="split it",
            size=size,
            limit=PAYLOAD_BYTES_MAX,
        )


_KNOWN: Final = frozenset(Format)
