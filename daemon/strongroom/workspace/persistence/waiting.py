"""Rows merged into one document, each in its turn: one that builds on what is not there waits outside of the library.

The library would keep it apart, put it into no snapshot and tell nobody; and where a row that waits and another one
tell the same clocks differently, which hostile peers can arrange, it can end the whole process (``yjs/held_back``). So
a row that waits is given up at a compaction only once all that it needs is in the document, and it was applied.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import pycrdt

from strongroom.errors import Refused
from strongroom.workspace.yjs.held_back import HeldBack, needed_by
from strongroom.workspace.yjs.state_vector import decode_state_vector

__all__ = ["Merging", "still_waiting"]

_NO_LIMIT: Final = 2**62
"""What is stored was held against the limits when it came."""
_NO_UPDATE: Final = "it opens and holds no update that this release can read"


class Merging:
    """A small document that takes rows one after the other: a single transaction over all of them, or merging them
    first, takes a time that grows with their square."""

    def __init__(self) -> None:
        self._doc: pycrdt.Doc[Any] = pycrdt.Doc()
        self._held = HeldBack(_NO_LIMIT, _NO_LIMIT)
        self._late: dict[int, bytes] = {}
        self.refused: dict[int, str] = {}
        """Rows that turned out to be no updates, with the reason."""

    def add(self, row_id: int, update_v1: bytes) -> None:
        """Take the update of a row, now or when its turn comes."""
        self._late[row_id] = update_v1
        try:
            self._apply(self._held.in_turn(update_v1, self._doc.get_state))
        except Refused:
            self.refused[row_id] = _NO_UPDATE
        if update_v1 not in self._held:
            del self._late[row_id]

    def add_whole(self, row_id: int, update_v1: bytes) -> None:
        """Take what is known to build on nothing that is not there: a whole state, or a row of a complete log."""
        try:
            self._doc.apply_update(update_v1)
        except ValueError:
            self.refused[row_id] = _NO_UPDATE
        self._apply(self._held.due(self._doc.get_state))

    def waiting(self) -> dict[int, bytes]:
        """The rows whose turn has not come, by number."""
        return {number: update for number, update in self._late.items() if update in self._held}

    def state(self) -> bytes:
        """What the other rows come to."""
        return self._doc.get_update()

    def _apply(self, updates: Iterable[bytes]) -> None:
        for update in updates:
            try:
                self._doc.apply_update(update)
            except ValueError:
                numbers = [number for number, late in self._late.items() if late == update]
                self.refused.update(dict.fromkeys(numbers, _NO_UPDATE))


def still_waiting(updates: Mapping[int, bytes], state_vector: bytes) -> list[int]:
    """Of rows, those that need more than a document with that state vector has, in order."""
    clocks = decode_state_vector(state_vector)
    return sorted(
        number
        for number, update in updates.items()
        if any(clocks.get(client, 0) < clock for client, clock in needed_by(update).items())
    )
