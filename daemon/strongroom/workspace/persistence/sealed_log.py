"""``SealedLog``: the updates of one document on disk, every row sealed with a key of its workspace.

Rule 1: what ``flush`` returned for survives kill -9 and a power cut. What could not be written waits in memory and is
tried again; the document itself never waits and is never wrong.
Rule 2: a row that cannot be opened or applied is carried through every compaction byte for byte, and reported.
Rule 3: a compaction is verified before it is swapped in, in one transaction; behind it only carried rows are under an
older key version, and nothing of what it replaced is left in the file or its WAL.
Rule 4: locks are taken in the order compaction, document, file; so ``compact``, ``verify`` and ``close`` are not called
by whoever holds the document.

What somebody who can write the file can do, and what is seen of it when it is opened again: a row that is changed, or
moved to another number, document or owner, stays closed (``row_seal``). Rows that are taken out, also at the end, or
put in the place of others do not fit the sealed head (``head``), even where they open because they come from a copy of
the same log. An older copy of the whole file is a log like any other: nothing inside a file can tell; another replica
brings back what it lacks, and the document goes on under a fresh client id. Who can read the file sees how many updates
there are, how long they are, and their key versions.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.errors import InvalidInput, StorageFault, StrongroomError, WrongState
from strongroom.keyring.workspace_keys import WorkspaceKeys
from strongroom.workspace.document import Document
from strongroom.workspace.persistence.background import Background
from strongroom.workspace.persistence.local_updates import Elsewhere
from strongroom.workspace.persistence.pending import Pending
from strongroom.workspace.persistence.replay import CarriedRow, LoadReport, LogCheck
from strongroom.workspace.persistence.row_seal import CannotOpen, RowSeal
from strongroom.workspace.persistence.sealed_rows import SealedRows
from strongroom.workspace.persistence.verified import check_copy, difference, snapshot_of
from strongroom.workspace.persistence.waiting import still_waiting

__all__ = ["CarriedRow", "Compaction", "LoadReport", "LogCheck", "SealedLog"]

_log = logging.getLogger("strongroom.workspace")
_EMPTY_VECTOR: Final = b"\0"
_LATE: Final = Elsewhere("row whose turn has come")
"""Not the origin of the log: with such a row may go in what a peer sent and no log has yet."""


@dataclass(frozen=True, slots=True)
class Compaction:
    """What a compaction came to: rows and bytes before and after it."""

    rows_before: int
    rows_after: int
    bytes_before: int
    bytes_after: int


class SealedLog:
    """The log of ``document``. ``load`` first, then ``attach``; every method may be called from any thread."""

    def __init__(self, path: Path, document: Document, keys: Callable[[], WorkspaceKeys], owner_id: str) -> None:
        """Open ``path``, or make it. ``keys`` is asked at every load, write and compaction, and may raise.

        Raises ``StorageFault`` for a file that cannot be used, ``Unavailable`` while another writer has it open.
        """
        self.document: Final = document
        self._keys = keys
        self._rows = SealedRows(path, RowSeal(owner_id, document.guid))
        self._file = threading.RLock()
        self._compacting = threading.Lock()
        self._pending = Pending()
        self._origin = Elsewhere("log")  # what comes from the log is not written there again
        self._carried: dict[int, CarriedRow] = {}
        self._waiting: dict[int, bytes] = {}
        self._loaded = False
        self._background: Background | None = None

    @property
    def carried(self) -> tuple[CarriedRow, ...]:
        """The rows that could not be opened or applied so far."""
        return tuple(self._carried.values())

    @property
    def unwritten(self) -> int:
        """How many writes wait; more than a few when the disk or the keys fail."""
        return len(self._pending)

    def load(self) -> LoadReport:
        """Bring everything that the log holds into the document, in one transaction.

        What the document held before, and whatever changes from now on, is kept for ``attach``. Writes nothing.
        Raises ``KeyMissing`` when the keys are those of something else, what ``keys`` raises, and ``StorageFault``.
        """
        if self._loaded:
            raise WrongState("SR-WS-072", f"the log of workspace {self.document.guid} is loaded already")
        replayed = self._rows.replay(self._keys())
        self._rows.go_on_from(replayed)
        self._carried = {row.id: row for row in replayed.report.carried}
        self._waiting = dict(replayed.waiting)
        with self.document.lock:
            if self.document.state_vector() != _EMPTY_VECTOR:
                self._pending.add(self.document.update_since())
            self.document.on_update(self._on_update)
            self._loaded = True
            with self.document.transaction(self._origin):
                self.document.apply(replayed.state)
                for update in self._waiting.values():
                    self.document.apply_in_turn(update)
        return replayed.report

    def attach(self) -> None:
        """Write from now on, also what changed since ``load``. Raises ``WrongState`` before that."""
        if not self._loaded or self._background is not None:
            raise WrongState("SR-WS-073", f"the log of workspace {self.document.guid} is to be loaded first, once")
        self._background = Background(self.document.guid, self._pending, self)

    def flush(self) -> None:
        """Return once everything that happened in the document before is on disk.

        Raises ``StorageFault``, or what ``keys`` raises; it is then still in memory, and tried again.
        """
        while True:
            whole = self._pending.is_whole
            with self.document.lock if whole else nullcontext(), self._file:
                if self._pending.is_whole and not whole:
                    continue  # the locks would be taken in the wrong order
                self._write()
                return

    def compact(self) -> Compaction:
        """Put one row with the whole state, under the writing version, in the place of all rows but the carried ones.

        Carried rows that can be opened by now are applied first; updates that wait for others are sealed anew beside
        the state. Raises ``Internal`` when the new row is not the document, ``StorageFault``, and what ``keys`` raises:
        the log is then as it was.
        """
        with self._compacting:
            keys = self._keys()
            self._apply_carried(keys)
            self.flush()
            before = self._rows.log.sizes()
            # In this order: what these rows hold is in the document, whatever it gets meanwhile.
            ids = [each for each in self._rows.log.ids() if each not in self._carried]
            with self.document.lock:
                for update in self._waiting.values():
                    self.document.apply_in_turn(update, origin=_LATE)
                snapshot = snapshot_of(self.document)
            kept = [self._waiting[each] for each in still_waiting(self._waiting, snapshot.state_vector)]
            first_id, rows = self._rows.sealed(keys, snapshot.update, kept)
            opened = [self._rows.opened(keys, number, row) for number, row in enumerate(rows, first_id)]
            check_copy(self.document.guid, opened, snapshot, kept)
            with self._file:
                self._rows.swap(keys, ids, first_id, rows, carried=len(self._carried))
            self._waiting = dict(enumerate(kept, first_id + 1))
            self._rows.log.scrub()
            after = self._rows.log.sizes()
        return Compaction(before.rows, after.rows, before.bytes, after.bytes)

    def verify(self) -> LogCheck:
        """Read every row again, and compare what they come to with the document. Raises as ``load`` does."""
        with self._compacting, self.document.lock:
            self.flush()  # with the lock held: nothing may come between this and the comparison
            replayed = self._rows.replay(self._keys())
            problem = difference(self.document.guid, replayed.state, snapshot_of(self.document))
        report = replayed.report
        rows = report.applied + len(report.carried)
        return LogCheck(rows, report.carried, report.head_problem or problem, report.waiting)

    def compact_if_due(self) -> None:
        """Compact when the log grew enough; raises as ``compact`` does."""
        if self._rows.growth.is_due:
            self.compact()

    def compact_if_overdue(self) -> None:
        """Compact when the log grew so much that it cannot wait; raises as ``compact`` does."""
        if self._rows.growth.is_overdue:
            self.compact()

    def closed_rows(self) -> tuple[CarriedRow, ...]:
        """The carried rows of which nothing can be made with the keys of now either."""
        carried = dict(self._carried)
        _, closed = self._rows.looked_at(self._keys(), list(carried))
        found = {row.id: row for row in closed}
        # What opened before and was no update stays one that is none.
        return tuple(found.get(each, row) for each, row in carried.items() if each in found or not row.lacks_key)

    def look_at_rows(self, *, but_version: int) -> tuple[int, tuple[CarriedRow, ...]]:
        """Open every row that is not under that version: how many open, and those that do not. Changes nothing."""
        ids = [row.id for row in self._rows.log.rows() if row.key_version != but_version]
        opened, closed = self._rows.looked_at(self._keys(), ids)
        return opened, tuple(closed)

    def discard(self, ids: Collection[int]) -> int:
        """Delete those of the rows ``ids`` that are carried and closed now, for ever; how many. The rest is compacted.

        Raises as ``compact`` does.
        """
        with self._compacting:
            self.flush()
            # Looked at again: the key of a row may have come back since somebody chose it.
            chosen = [row.id for row in self.closed_rows() if row.id in ids]
            with self._file:
                self._rows.drop(self._keys(), chosen)
            for each in chosen:
                del self._carried[each]
        self.compact()
        return len(chosen)

    def clear(self) -> None:
        """Delete every row, carried ones too, for a workspace that is given up here; ``close`` is what follows."""
        with self._compacting, self._file:
            self._pending.take()
            self._rows.clear(self._keys())
            self._carried.clear()
            self._waiting.clear()

    def rows_by_version(self) -> Counter[int]:
        """How many rows need each key version. The head counts where no row needs its version."""
        with self._file:
            return self._rows.by_version()

    def close(self) -> None:
        """Write what waits, compact when that is quick or due, and let go of the file, whatever happens.

        It goes on listening: what is written between the last flush and the end of the document is not on disk, and
        ``flush`` says so. Raises ``StorageFault`` when updates could not be written: they are lost with the document.
        """
        if self._background is not None:
            self._background.stop()
        try:
            if self._background is not None:
                self._finish()
        finally:
            self._background = None
            self._rows.log.close()

    def _finish(self) -> None:
        self._flush_at_last()
        if self._rows.growth.is_due_at_close:
            try:
                self.compact()
            except StrongroomError as fault:
                # Everything is on disk; the next start compacts.
                facts = {"guid": self.document.guid, "code": fault.code, "why": str(fault)}
                _log.warning("the log of a workspace was closed as it is", extra=facts)
            self._flush_at_last()  # what came meanwhile

    def _flush_at_last(self) -> None:
        try:
            self.flush()
        except StrongroomError as fault:
            raise StorageFault(
                "SR-WS-074",
                f"changes of workspace {self.document.guid} were never written",
                why=str(fault),
                fix="another replica may have them; the log itself is sound",
                updates=len(self._pending),
            ) from fault

    def _on_update(self, update_v1: bytes, origin: object) -> None:
        if origin is not self._origin:
            self._pending.add(update_v1)

    def _write(self) -> None:
        """Seal and append what waits, in one commit. The caller has the file, and the document for a whole state."""
        updates, whole = self._pending.take()
        if not updates and not whole:
            return
        try:
            self._rows.append(self._keys(), [self.document.update_since()] if whole else updates)
        except BaseException:
            self._pending.put_back(updates, whole=whole)
            raise

    def _apply_carried(self, keys: WorkspaceKeys) -> None:
        """Apply carried rows that can be opened by now; until a compaction they count as waiting."""
        for row in self._rows.log.rows(list(self._carried)):
            try:
                update = self._rows.seal.open(keys, row)
                self.document.apply_in_turn(update, origin=_LATE)
            except (CannotOpen, InvalidInput):
                continue
            self._waiting[row.id] = update
            del self._carried[row.id]
