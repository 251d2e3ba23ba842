"""A chain of records: the digest of each covers the digest of the one before it. No storage, no clock.

Rule 1: whoever changes, removes or inserts a record in the middle changes every digest after it.
Rule 2: a chain does not show that its end was cut off. Whoever keeps the newest digest elsewhere sees that too.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from strongroom.crypto.framing import length_prefixed

__all__ = ["GENESIS", "ChainBreak", "ChainEnd", "ChainLink", "link_digest", "verify_chain"]

DIGEST_BYTES: Final = 32
GENESIS: Final = bytes(DIGEST_BYTES)
"""What stands before the first record."""
_LABEL: Final = b"STRONGROOM-AUDIT-v1"


@dataclass(frozen=True, slots=True)
class ChainLink:
    """A record as it is kept: its number, its bytes, its digest."""

    number: int
    record: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """A chain that holds: the number of its records, the number of the newest, and the digest to keep elsewhere."""

    count: int
    number: int
    digest: bytes


class ChainBreak(Exception):
    """The chain does not hold. ``number`` is the first record that is not what it was."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"record {number}: {why}")
        self.number = number
        self.why = why


def link_digest(previous: bytes, number: int, record: bytes) -> bytes:
    """The digest of ``record`` at place ``number``, after the record with the digest ``previous``; 32 bytes."""
    return hashlib.sha256(_LABEL + length_prefixed(previous, number.to_bytes(8, "big"), record)).digest()


def verify_chain(links: Iterable[ChainLink], *, number: int = 0, digest: bytes = GENESIS) -> ChainEnd:
    """The end of the chain that follows the record with this ``number`` and ``digest``. Raises ``ChainBreak``."""
    count = 0
    for link in links:
        number += 1
        if link.number != number:
            raise ChainBreak(number, f"it is missing, the next one is {link.number}")
        wanted = link_digest(digest, number, link.record)
        if link.digest != wanted:
            raise ChainBreak(number, "its digest is not that of it and of all before it")
        digest, count = wanted, count + 1
    return ChainEnd(count, number, digest)
