"""``SealedRows``: the rows of one log on the disk, each sealed, with a head that is written in the same transaction.

Rule 1: rows and head are one commit, so a crash leaves a log that is whole, with or without the last of them.
Rule 2: a commit that failed may be on disk all the same; what is there is counted anew before the next one.
The caller takes care that one thread at a time writes.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from strongroom.keyring.workspace_keys import WorkspaceKeys
from strongroom.storage.update_log import UpdateLog
from strongroom.storage.update_log_rows import NewRow, Row
from strongroom.workspace.persistence.growth import Growth
from strongroom.workspace.persistence.head import Head, HeadCount, digest_of
from strongroom.workspace.persistence.replay import (
    HEAD_META,
    KEY_ID_META,
    CarriedRow,
    Replayed,
    carried_row,
    key_id,
    replay,
)
from strongroom.workspace.persistence.row_seal import STATE, UPDATE, CannotOpen, RowSeal

__all__ = ["SealedRows"]


class SealedRows:
    """What is written, and how much. All methods raise ``StorageFault`` or ``Unavailable`` where the file fails."""

    def __init__(self, path: Path, seal: RowSeal) -> None:
        """Open ``path``, or make it."""
        self.log = UpdateLog(path)
        self.seal = seal
        self.growth = Growth()
        self._count = HeadCount()
        self._in_doubt = False
        self._complete = True
        self._head_version = 0

    def replay(self, keys: WorkspaceKeys) -> Replayed:
        """What the rows come to. Raises ``KeyMissing`` when the keys are those of something else."""
        return replay(self.log, self.seal, keys)

    def go_on_from(self, replayed: Replayed) -> None:
        """Count from what a replay found."""
        self._count = replayed.count
        self.growth = replayed.growth
        self._complete = replayed.report.is_whole
        self._head_version = replayed.head_version

    def append(self, keys: WorkspaceKeys, updates: Sequence[bytes]) -> None:
        """Seal and write ``updates`` in one commit; on disk when this returns."""
        self._count_anew_if_in_doubt()
        first_id = self.log.reserve(len(updates))
        rows = [self.seal.seal(keys, UPDATE, number, update) for number, update in enumerate(updates, first_id)]
        digests = {number: digest_of(number, row) for number, row in enumerate(rows, first_id)}
        self._in_doubt = True
        self.log.append(
            rows, first_id=first_id, meta=self._meta(keys, self._count.head(digests, complete=self._complete))
        )
        self._in_doubt = False
        self._count.add(digests)
        self._head_version = keys.writing_version
        self.growth.add(len(rows), sum(len(row.data) for row in rows))

    def sealed(self, keys: WorkspaceKeys, state: bytes, updates: Sequence[bytes]) -> tuple[int, list[NewRow]]:
        """Rows for a ``swap``, and the first of the numbers that they are sealed to."""
        first_id = self.log.reserve(1 + len(updates))
        rows = [self.seal.seal(keys, STATE, first_id, state)]
        rows += [self.seal.seal(keys, UPDATE, number, update) for number, update in enumerate(updates, first_id + 1)]
        return first_id, rows

    def opened(self, keys: WorkspaceKeys, row_id: int, row: NewRow) -> bytes | None:
        """What ``row`` holds, opened as if it was read from the file; ``None`` when it stays closed."""
        try:
            return self.seal.open(keys, Row(row_id, row.purpose, row.key_version, len(row.data), row.data))
        except CannotOpen:
            return None

    def swap(
        self, keys: WorkspaceKeys, ids: Collection[int], first_id: int, rows: Sequence[NewRow], *, carried: int
    ) -> None:
        """Put ``rows``, of which the first is the state, in the place of the rows ``ids``. ``carried`` others stay."""
        self._count_anew_if_in_doubt()
        count = self._count.replaced(ids, first_id, rows)
        # What is in the state builds on nothing, and what is written from now on builds on that.
        complete = len(rows) == 1 and not carried
        self._in_doubt = True
        self.log.replace(ids, *rows, first_id=first_id, meta=self._meta(keys, count.head(complete=complete)))
        self._in_doubt = False
        self._count, self._complete = count, complete
        self._head_version = keys.writing_version
        self.growth = Growth(len(count) - carried - len(rows), 0, len(rows[0].data))

    def drop(self, keys: WorkspaceKeys, ids: Collection[int]) -> None:
        """Delete the rows ``ids``, and what they leave in the file. Nothing may build on them."""
        self._count_anew_if_in_doubt()
        count = self._count.replaced(ids, 1, ())
        self._in_doubt = True
        self.log.delete(ids, meta=self._meta(keys, count.head(complete=False)))
        self._in_doubt = False
        self._count = count
        self._head_version = keys.writing_version
        self.log.scrub()

    def clear(self, keys: WorkspaceKeys) -> None:
        """Delete every row, and what it leaves in the file."""
        self._in_doubt = True
        self.log.delete(self.log.ids(), meta=self._meta(keys, HeadCount().head(complete=True)))
        self._in_doubt = False
        self._count, self.growth, self._complete = HeadCount(), Growth(), True
        self._head_version = keys.writing_version
        self.log.scrub()

    def looked_at(self, keys: WorkspaceKeys, ids: Collection[int]) -> tuple[int, list[CarriedRow]]:
        """Of the rows ``ids``: how many open, and the others."""
        opened, closed = 0, []
        for row in self.log.rows(ids):
            try:
                self.seal.open(keys, row)
                opened += 1
            except CannotOpen as why:
                closed.append(carried_row(row, why))
        return opened, closed

    def by_version(self) -> Counter[int]:
        """How many rows need each key version. The head counts where no row needs its version."""
        counts = self.log.key_versions()
        if self._head_version and self._head_version not in counts:
            counts[self._head_version] = 1
        return counts

    def _count_anew_if_in_doubt(self) -> None:
        if self._in_doubt:
            self._count = HeadCount(self.log.rows())
            self._in_doubt = False

    def _meta(self, keys: WorkspaceKeys, head: Head) -> dict[str, bytes]:
        ids = key_id(keys, keys.writing_version).encode("ascii")
        return {HEAD_META: self.seal.seal_head(keys, head.encoded()), KEY_ID_META: ids}
