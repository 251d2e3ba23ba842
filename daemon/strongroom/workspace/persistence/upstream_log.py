"""Epicenter's own stores: the daemon's log of one document, and the rows of its encrypted local store.

Both hold updates of encoding V2, which become V1 here on the way in and V2 on the way out. The daemon's log is plain:
it is for taking data over from Epicenter, and for working beside it, not for keeping workspaces of ours.
Source: contracts/workspace-encryption.md 10.
"""

import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from strongroom.crypto.framing import encoded
from strongroom.errors import Refused, StrongroomError
from strongroom.keyring.workspace_keys import WorkspaceKeys
from strongroom.storage.upstream_log import UPSTREAM_ROW_BYTES_MAX, UpstreamFile, UpstreamRow, read_upstream_rows
from strongroom.workspace.document import Document
from strongroom.workspace.persistence.local_updates import Elsewhere
from strongroom.workspace.persistence.pending import Pending
from strongroom.workspace.persistence.verified import check_copy, snapshot_of
from strongroom.workspace.persistence.waiting import Merging
from strongroom.workspace.yjs.convert import v1_to_v2, v2_to_v1
from strongroom.workspace.yjs.limits import UpdateLimits

__all__ = ["UnreadableRow", "UpstreamLog", "open_local_row", "read_upstream_log", "seal_local_row"]

COMPACT_BYTES: Final = 2 * 2**20
"""New bytes after which the rows are made into one, and the largest state that this is done for, as upstream."""
LIMITS: Final = UpdateLimits(bytes_max=UPSTREAM_ROW_BYTES_MAX, v1_bytes_max=4 * UPSTREAM_ROW_BYTES_MAX)
"""A row may be a whole state, which is more than a frame."""
_LOCAL_LABEL: Final = "yjs-update-v2:"

UnreadableRow = tuple[int, str]
"""The number of a row, and why nothing could be made of it."""


class UpstreamLog:
    """The daemon's log of ``document``, read and written. Updates are on disk when ``flush`` returns."""

    def __init__(self, path: Path, document: Document) -> None:
        """Open ``path``, or make it. Raises ``StorageFault``."""
        self.document: Final = document
        self._file = UpstreamFile(path)
        self._origin = Elsewhere("upstream log")
        self._lock = threading.RLock()
        self._pending = Pending()
        self._new_bytes = 0
        self._kept: set[int] = set()

    def attach(self) -> list[UnreadableRow]:
        """Bring the rows into the document, then write what changes. Rows that cannot be read stay, and are returned.

        What the document holds already is written too. Raises ``StorageFault``.
        """
        with self.document.lock:
            if self.document.state_vector() != b"\0":
                self._pending.add(self.document.update_since())
            self.document.on_update(self._on_update)
            unreadable, late = _apply_rows(self._file.rows(), self.document, self._origin)
        self._kept = late | {number for number, _why in unreadable}
        self.flush()
        self.compact()
        return unreadable

    def flush(self) -> None:
        """Return once everything that happened before is on disk. Raises ``StorageFault``; it is then tried again."""
        with self.document.lock, self._lock:
            updates, whole = self._pending.take()
            try:
                rows = [v1_to_v2(update) for update in ([self.document.update_since()] if whole else updates)]
                if rows:
                    self._file.append(rows)
            except BaseException:
                self._pending.put_back(updates, whole=whole)
                raise
            self._new_bytes += sum(map(len, rows))
            if self._new_bytes > COMPACT_BYTES:
                self.compact()

    def compact(self) -> bool:
        """Whether the rows became one. They do not when that is none less, or when the state is above 2 MiB.

        Raises ``StorageFault``, and ``Internal`` when the new row would not be the document.
        """
        with self.document.lock, self._lock:
            ids = [number for number, _data in self._file.rows() if number not in self._kept]
            snapshot = snapshot_of(self.document)
            state = v1_to_v2(snapshot.update)
            self._new_bytes = 0
            if len(ids) <= 1 or len(state) > COMPACT_BYTES:
                return False
            check_copy(self.document.guid, [v2_to_v1(state, LIMITS)], snapshot, [])
            self._file.replace(ids, state)
        return True

    def clear_local(self) -> None:
        """Delete every row; the document stays as it is."""
        with self._lock:
            self._pending.take()
            self._file.clear()
            self._kept.clear()

    def close(self) -> None:
        """Write what waits, compact, and let go of the file. Raises ``StorageFault`` when something was not written.

        It goes on listening, so that ``flush`` says of what comes later that it is not on disk.
        """
        try:
            self.flush()
            with suppress(StrongroomError):  # everything is on disk already
                self.compact()
        finally:
            self._file.close()

    def _on_update(self, update_v1: bytes, origin: object) -> None:
        if origin is not self._origin:
            self._pending.add(update_v1)


def read_upstream_log(path: Path, document: Document) -> list[UnreadableRow]:
    """Bring the rows of the log at ``path`` into ``document``; those that cannot be read are returned.

    Nothing is written, also while the daemon has the file open; a missing file has no rows. Raises ``StorageFault``.
    """
    unreadable, _late = _apply_rows(read_upstream_rows(path), document, Elsewhere("upstream log"))
    return unreadable


def seal_local_row(keys: WorkspaceKeys, guid: str, update_v1: bytes) -> bytes:
    """``update_v1`` as a row of Epicenter's encrypted local store."""
    return keys.seal(v1_to_v2(update_v1), encoded(_LOCAL_LABEL + guid))


def open_local_row(keys: WorkspaceKeys, guid: str, row: bytes) -> bytes:
    """The update, in encoding V1, of a row of Epicenter's encrypted local store.

    Raises ``KeyMissing``, ``Tampered`` and, for what is no update or too large, what ``v2_to_v1`` does.
    """
    return v2_to_v1(keys.open(row, encoded(_LOCAL_LABEL + guid)), LIMITS)


def _apply_rows(
    rows: Iterable[UpstreamRow], document: Document, origin: object
) -> tuple[list[UnreadableRow], set[int]]:
    """Apply all that can be read, in one transaction; what cannot, and the rows that wait for another one."""
    unreadable: list[UnreadableRow] = []
    merging = Merging()
    for number, data in rows:
        if data is None:
            unreadable.append((number, "it is too long, or holds no bytes"))
            continue
        try:
            merging.add(number, v2_to_v1(data, LIMITS))
        except Refused as fault:
            unreadable.append((number, str(fault)))
    unreadable += merging.refused.items()
    waiting = merging.waiting()
    with document.transaction(origin):
        document.apply(merging.state())
        for update in waiting.values():
            document.apply_in_turn(update)
    return sorted(unreadable), set(waiting)
