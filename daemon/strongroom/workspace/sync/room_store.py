"""What the relay keeps of a room: the updates as they came, which it cannot read, in a file of their own.

Rule 1: an update is on disk before anybody else hears of it.
Rule 2: rows are made into one only when all of them are in the document: one that waits for another is nowhere else.
Rule 3: a room that was never written has no file: naming a room costs nothing.

The name of a file is a digest: owners and workspace ids may be longer, and stranger, than names of files.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from strongroom.crypto.framing import length_prefixed
from strongroom.errors import InvalidInput, Unavailable
from strongroom.storage.update_log import UpdateLog
from strongroom.storage.update_log_rows import NewRow
from strongroom.workspace.document import Document
from strongroom.workspace.sync import faults
from strongroom.workspace.sync.reach import lacking, reach, still_lacking
from strongroom.workspace.sync.room_url import RoomAddress
from strongroom.workspace.yjs.held_back import HeldBack
from strongroom.workspace.yjs.state_vector import decode_state_vector

__all__ = ["RoomStore", "room_file"]

COMPACT_BYTES: Final = 2 * 2**20
"""New bytes after which rows are made into one; as many again as that one has, so that the work stays in proportion."""
PURPOSE: Final = "update-v1"
WAITING: Final = "waiting"
_NO_LIMIT: Final = 2**62  # what is stored was held against the limits when it came
DIGEST_CHARS: Final = 32


def room_file(directory: Path, address: RoomAddress) -> Path:
    """Where a room is kept: a directory for each owner, and a file for each room."""
    owner = hashlib.sha256(length_prefixed("strongroom-relay-owner", address.owner_id)).hexdigest()
    room = hashlib.sha256(length_prefixed("strongroom-relay-room", address.owner_id, address.guid)).hexdigest()
    return directory / owner[:DIGEST_CHARS] / f"{room[:DIGEST_CHARS]}.db"


class RoomStore:
    """The rows of one room. Used by one thread at a time."""

    def __init__(self, path: Path, rooms_per_owner_max: int) -> None:
        self._path = path
        self._rooms_max = rooms_per_owner_max
        self._log: UpdateLog | None = None
        self._lacking: dict[int, int] = {}
        self._compacted_bytes = 0
        self.stored_bytes = 0

    def load(self, document: Document) -> list[bytes]:
        """Put what is stored into ``document``; the updates of it that wait for others. Raises ``StorageFault`` for a
        file that is damaged."""
        held: list[bytes] = []
        if not self._path.exists():
            return held
        log = self._log = UpdateLog(self._path)
        waiting = HeldBack(_NO_LIMIT, _NO_LIMIT)
        for row in log.rows():
            if row.data is None:
                raise faults.room_unreadable("a row is longer than rows get")
            try:
                for update in waiting.in_turn(row.data, document.state_vector):
                    document.apply(update)
            except InvalidInput:
                raise faults.room_unreadable("a row is no update") from None
            self.stored_bytes += row.size
        if log.meta(WAITING):
            held = still_lacking(document, [row.data or b"" for row in log.rows()])
            for update in held:
                _farthest(self._lacking, reach(update))
            self._lacking = lacking(self._lacking, document.state_vector())
        return held

    def append(self, updates: Sequence[tuple[bytes, Mapping[int, int]]], document: Document) -> None:
        """Keep updates, each with its reach; on disk when this returns. ``document`` has taken them in.

        Raises ``StorageFault``, and ``LimitExceeded`` if the owner may have no more rooms.
        """
        log = self._log or self._create()
        for _, ends in updates:
            _farthest(self._lacking, ends)
        self._lacking = lacking(self._lacking, document.state_vector())
        meta = {WAITING: b"1" if self._lacking else b""}
        log.append([NewRow(PURPOSE, 0, update) for update, _ in updates], meta=meta)
        self.stored_bytes += sum(len(update) for update, _ in updates)

    @property
    def waits(self) -> bool:
        """Whether something that is stored waits for an update that has not come."""
        return bool(self._lacking)

    @property
    def grown(self) -> bool:
        """Whether compacting is worth it."""
        return self.stored_bytes - self._compacted_bytes > max(COMPACT_BYTES, self._compacted_bytes)

    def compact(self, document: Document) -> None:
        """Make one row of all, unless one of them waits for an update that has not come."""
        if self._log is None or self._lacking:
            return
        ids = self._log.ids()
        if len(ids) < 2:
            return
        state = document.update_since()
        copy = Document(document.guid)
        try:
            # Read back before anything is deleted: what the library does not write is gone otherwise.
            copy.apply(state)
            if lacking(_clocks(document), copy.state_vector()):
                return
        finally:
            copy.close()
        self._log.replace(ids, NewRow(PURPOSE, 0, state))
        with suppress(Unavailable):  # somebody reads the file; the next time takes out what is left
            self._log.scrub()
        self.stored_bytes = self._compacted_bytes = len(state)

    def close(self) -> None:
        """Let go of the file."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def _create(self) -> UpdateLog:
        parent = self._path.parent
        rooms = sum(1 for each in parent.glob("*.db")) if parent.is_dir() else 0
        if rooms >= self._rooms_max:
            raise faults.too_many("workspaces of this owner", self._rooms_max, "relay.rooms_per_owner_max")
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._log = UpdateLog(self._path)
        return self._log


def _farthest(ends: dict[int, int], more: Mapping[int, int]) -> None:
    for client, end in more.items():
        ends[client] = max(end, ends.get(client, 0))


def _clocks(document: Document) -> Mapping[int, int]:
    return decode_state_vector(document.state_vector())
