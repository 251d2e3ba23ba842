"""``Mirror``: the entries of an array in their order, kept in step with it.

The library gives values by position and knows no identity, and finding a position takes it time in proportion to it.
The mirror finds the position of an entry, and the entries of a range, without asking: it keeps pieces of at most
``PIECE_ENTRIES_MAX`` entries, so a search touches one piece and the lengths of those before it.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final

from strongroom.workspace.entry import Entry

__all__ = ["Mirror", "Slot", "slot_of"]

TS_MS_MAX: Final = 2**53 - 1
"""The highest whole number of JavaScript: 285,000 years."""

PIECE_ENTRIES_MAX: Final = 512
"""Pieces of half of it are about the square root of the largest table that is measured, 100,000 entries."""


class Slot(Entry):
    """An entry with its place. ``ts`` is -1 where the array holds what is no entry; that is left as it is."""

    __slots__ = ("piece",)
    piece: "_Piece"


class _Piece:
    __slots__ = ("number", "slots")

    def __init__(self, slots: list[Slot]) -> None:
        self.number = 0
        self.slots = slots
        for slot in slots:
            slot.piece = self


class Mirror:
    """Slots in the order of the array."""

    def __init__(self, slots: Iterable[Slot] = ()) -> None:
        self._pieces: list[_Piece] = []
        self._count = 0
        self.insert(0, list(slots))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Slot]:
        return chain.from_iterable(piece.slots for piece in self._pieces)

    def position(self, slot: Slot) -> int:
        """Where ``slot``, which must be in here, stands."""
        before = sum(len(piece.slots) for piece in islice(self._pieces, slot.piece.number))
        return before + slot.piece.slots.index(slot)

    def positions(self, slots: Sequence[Slot]) -> list[tuple[int, Slot]]:
        """The positions of ``slots``, ascending, with their slots."""
        wanted = {id(slot) for slot in slots}
        pieces = {slot.piece.number for slot in slots}
        found: list[tuple[int, Slot]] = []
        start = 0
        for piece in self._pieces:
            if piece.number in pieces:
                found += [(start + index, slot) for index, slot in enumerate(piece.slots) if id(slot) in wanted]
            start += len(piece.slots)
        return found

    def insert(self, position: int, slots: list[Slot]) -> None:
        """Put ``slots`` before ``position``, which may be the end."""
        if not slots:
            return
        index, offset = self._find(position)
        self._count += len(slots)
        if index < len(self._pieces):
            piece = self._pieces[index]
            if len(piece.slots) + len(slots) <= PIECE_ENTRIES_MAX:
                piece.slots[offset:offset] = slots
                for slot in slots:
                    slot.piece = piece
                return
            slots = piece.slots[:offset] + slots + piece.slots[offset:]
            del self._pieces[index]
        # Half full, so that the next insertions into them find room.
        step = PIECE_ENTRIES_MAX if len(slots) <= PIECE_ENTRIES_MAX else PIECE_ENTRIES_MAX // 2
        self._pieces[index:index] = [_Piece(slots[start : start + step]) for start in range(0, len(slots), step)]
        self._number(index)

    def delete(self, position: int, count: int) -> list[Slot]:
        """Take ``count`` slots out from ``position`` on, and return them."""
        removed: list[Slot] = []
        index, offset = self._find(position)
        first = index
        while len(removed) < count and index < len(self._pieces):
            slots = self._pieces[index].slots
            taken = slots[offset : offset + count - len(removed)]
            removed += taken
            del slots[offset : offset + len(taken)]
            offset = 0
            index += 1
        self._count -= len(removed)
        kept = [piece for piece in self._pieces[first:index] if piece.slots]
        if len(kept) < index - first:
            self._pieces[first:index] = kept
            self._number(first)
        return removed

    def _find(self, position: int) -> tuple[int, int]:
        """The piece and the offset in it; at a border the end of the piece before, where a push belongs."""
        if position >= self._count:
            last = len(self._pieces) - 1
            return (last, len(self._pieces[last].slots)) if last >= 0 else (0, 0)
        for index, piece in enumerate(self._pieces):
            if position < len(piece.slots):
                return index, position
            position -= len(piece.slots)
        raise IndexError(position)

    def _number(self, first: int) -> None:
        for number in range(first, len(self._pieces)):
            self._pieces[number].number = number


def slot_of(value: object) -> Slot:
    """The entry in a value of the array, as a peer may have written it."""
    if type(value) is dict:
        key, val, ts = value.get("key"), value.get("val"), value.get("ts")
        if type(key) is str and (type(ts) is float or type(ts) is int) and 0 <= ts <= TS_MS_MAX and ts == int(ts):
            # Bytes come as a bytearray, which anybody could change and the library would not write again.
            return Slot(key, bytes(val) if type(val) is bytearray else val, int(ts))
    return Slot("", None, -1)
