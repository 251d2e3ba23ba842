"""The head of a sealed log: how many rows it has, the last number it gave, and a digest over all of them.

It is written, sealed, in the same transaction as the rows, so a log whose rows do not fit its head was changed by
somebody else than its writer: rows were taken out, put back, exchanged, or cut off at the end.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Final, Self

from strongroom.crypto.framing import length_prefixed
from strongroom.storage.update_log_rows import NewRow, Row

__all__ = ["Head", "HeadCount", "digest_of"]

_BYTES: Final = 8 + 8 + 32 + 1


@dataclass(frozen=True, slots=True)
class Head:
    """What a log holds when it is whole.

    ``complete`` says that when it was written no row was carried and none waited for another: each builds on rows
    before it, and nobody has to look for one that waits.
    """

    rows: int
    last_id: int
    digest: bytes
    complete: bool = False

    def encoded(self) -> bytes:
        """49 bytes: rows u64, last id u64, digest, complete."""
        numbers = self.rows.to_bytes(8, "big") + self.last_id.to_bytes(8, "big")
        return numbers + self.digest + bytes((self.complete,))

    @classmethod
    def decoded(cls, raw: bytes) -> Self | None:
        """The head that ``encoded`` wrote, ``None`` for anything else."""
        if len(raw) != _BYTES or raw[-1] > 1:
            return None
        return cls(int.from_bytes(raw[:8], "big"), int.from_bytes(raw[8:16], "big"), raw[16:-1], raw[-1] == 1)

    def problem(self, found: "Head") -> str:
        """What is wrong with a log that holds ``found`` where this is its head; empty when nothing is."""
        if (found.rows, found.last_id, found.digest) == (self.rows, self.last_id, self.digest):
            return ""
        if found.rows != self.rows:
            return f"it holds {found.rows} rows and should hold {self.rows}: somebody took rows out, or put some in"
        return "it holds as many rows as it should, but not the same: somebody exchanged rows"


class HeadCount:
    """Keeps the head of the rows that are on the disk, without reading them again for each commit."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        """Begin with ``rows``, all that there are, in order."""
        self._digests: dict[int, bytes] = {}
        self._running = sha256()
        self._last_id = 0
        self.add(digests_of(rows))

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._digests)

    def head(self, more: Mapping[int, bytes] = MappingProxyType({}), *, complete: bool = False) -> Head:
        """The head of what was added so far, and of the digests of ``more`` rows behind it."""
        running = self._running.copy()
        for digest in more.values():
            running.update(digest)
        return Head(len(self._digests) + len(more), max(self._last_id, *more, 0), running.digest(), complete)

    def add(self, more: Mapping[int, bytes]) -> None:
        """Add rows behind all others, by their ``digests_of``."""
        self._digests.update(more)
        for digest in more.values():
            self._running.update(digest)
        self._last_id = max(self._last_id, *more, 0)

    def replaced(self, ids: Iterable[int], first_id: int, rows: Iterable[NewRow]) -> "HeadCount":
        """A copy in which ``rows`` stand for the rows ``ids``."""
        left = dict(self._digests)
        for each in ids:
            left.pop(each, None)
        left.update((number, digest_of(number, row)) for number, row in enumerate(rows, first_id))
        copy = HeadCount()
        copy.add({number: left[number] for number in sorted(left)})
        return copy


def digests_of(rows: Iterable[Row]) -> dict[int, bytes]:
    """The digests of rows by their ids, in order."""
    return {row.id: digest_of(row.id, row) for row in rows}


def digest_of(row_id: int, row: Row | NewRow) -> bytes:
    """SHA-256 over all that a row is."""
    number = row_id.to_bytes(8, "big", signed=True)
    version = row.key_version.to_bytes(8, "big", signed=True)
    return sha256(length_prefixed(number, row.purpose, version, row.data or b"")).digest()
