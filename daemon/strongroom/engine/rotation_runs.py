"""Runs that have ended, sealed again whole: header, events, chunks of streams and rows of hooks in one transaction.

Rule 1: everything of a run is opened first. One that is not what was written stays as it is, is counted and named.
Rule 2: every new envelope is opened again, and has the same bytes, before the transaction that holds it is committed.
Rule 3: a run that is gone, or was sealed again meanwhile, is passed over; one whose rows are more or fewer than those
that were sealed is left alone.
Rule 4: what a small run needs is made beside the writer, in bounded memory. A large one is gone through by its pages in
the transaction itself, so no run is ever whole in memory.
Runs that have not ended keep the version that they began with: whoever executes them holds the end of their chain.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from strongroom.crypto.srn1 import Place, tag_of
from strongroom.engine.event_types import FIELDS
from strongroom.engine.hook_rows import HookRows
from strongroom.engine.journal import TABLE, place_of
from strongroom.engine.requests import request_again
from strongroom.engine.rotation_check import Looked
from strongroom.engine.stream_chunk import place_of_chunk
from strongroom.errors import Internal, KeyMissing, StrongroomError, Tampered
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.run_keys import RunEncryptor, SealContext
from strongroom.storage import hooks, journal, runs, runs_again, stream_chunks
from strongroom.storage.database import Connection, Database
from strongroom.storage.hooks import HookRow
from strongroom.storage.runs import RunRow
from strongroom.storage.runs_again import RowsOfRun
from strongroom.storage.stream_chunks import ChunkRow
from strongroom.telemetry import logs

__all__ = ["EndedRuns"]

RUNS_MAX: Final = 50
"""Runs of one batch; their transactions share a commit."""
BATCH_BYTES_MAX: Final = 8_000_000
"""Sealed bytes of a batch that are in memory at once, and of a run that is made beside the writer."""
BATCHES_TOGETHER: Final = 4
"""Runs are opened and sealed beside the writer, so a commit can take more of them than of rows that are not."""
PAGE: Final = 500
"""Rows of a page; pages have a size as well."""
NAMED_MAX: Final = 20
"""Runs that are named when they were left as they are; all are counted."""
log = logs.get("keys")


@dataclass(frozen=True, slots=True)
class _New:
    """A sealed value for its place: of an event, or of a chunk of the stream ``name``."""

    name: str
    index: int
    sealed: bytes


@dataclass(slots=True)
class _Again:
    """What becomes of one run. Complete once all its values were taken."""

    header: RunRow
    hooks: list[HookRow] = field(default_factory=list)
    values: int = 0


class EndedRuns:
    """Seals runs again that have ended, by id; ``look`` opens them and changes nothing."""

    def __init__(self, database: Database, keys: RecordKeys, run_keys: RunEncryptor) -> None:
        self._database = database
        self._keys = keys
        self._run_keys = run_keys
        self._hook_rows = HookRows(keys)
        self._after = ""
        self._left: list[str] = []

    def __call__(self, blobs_max: int) -> int:
        """Seal about ``blobs_max`` again, whole runs; how many. 0 when none is left that opens."""
        version = self._keys.writing_version
        if not self._after:
            self._left = []
        try:
            while found := self._page(version, self._after):
                done = self._batch(found, version, blobs_max)
                if done:
                    return done
        except StrongroomError:
            # What was not written must be found by the next job.
            self._after = ""
            raise
        # From the beginning the next time: what was skipped may be readable then.
        self._after = ""
        return 0

    def skipped(self) -> list[str]:
        """The runs that were left as they are the last time, with the reason; a bounded number."""
        return self._left

    def look(self) -> Looked:
        """Open every run that has ended and is not under the version that writes."""
        looked = Looked()
        version, after = self._keys.writing_version, ""
        while found := self._page(version, after):
            for header in found:
                after = header.run_id
                rows = self._database.read(partial(_rows_of, header))
                try:
                    self._database.read(partial(self._look_at, header))
                    looked.opens += rows.blobs
                except (Tampered, KeyMissing) as error:
                    looked.cannot(f"run {header.run_id}: {error} ({error.code})", rows.blobs)
        return looked

    def _page(self, version: int, after: str) -> list[RunRow]:
        return self._database.read(
            lambda c: runs_again.ended_of_other_versions(c, version, after=after, limit=RUNS_MAX)
        )

    def _look_at(self, header: RunRow, connection: Connection) -> None:
        for _ in self._values(connection, _Again(header), header, 0):
            pass

    def _batch(self, found: Iterable[RunRow], version: int, blobs_max: int) -> int:
        """Seal the first of ``found`` again, until there are enough blobs or bytes; how many blobs."""
        waiting: list[tuple[RunRow, Future[int]]] = []
        blobs = size = 0
        for header in found:
            self._after = header.run_id
            rows = self._database.read(partial(_rows_of, header))
            try:
                job = self._job(header, version, is_small=rows.sealed_bytes <= BATCH_BYTES_MAX)
            except (Tampered, KeyMissing) as error:
                self._skip(header, error)
                continue
            waiting.append((header, self._database.write(job)))
            blobs += rows.blobs
            size += rows.sealed_bytes
            if blobs >= blobs_max * BATCHES_TOGETHER or size >= BATCH_BYTES_MAX:
                break
        return sum(self._settled(header, future) for header, future in waiting)

    def _settled(self, header: RunRow, future: "Future[int]") -> int:
        try:
            return future.result()
        except (Tampered, KeyMissing) as error:
            self._skip(header, error)
            return 0

    def _skip(self, header: RunRow, error: StrongroomError) -> None:
        log.warning("a run is left as it is: it cannot be opened", extra={"run": header.run_id, "code": error.code})
        if len(self._left) < NAMED_MAX:
            self._left.append(f"run {header.run_id}: {error} ({error.code})")

    def _job(self, header: RunRow, version: int, *, is_small: bool) -> "_Job":
        if not is_small:
            return _Job(self, header, version)
        again = _Again(header)
        return _Job(
            self, header, version, (again, self._database.read(lambda c: list(self._values(c, again, header, version))))
        )

    def replaced(
        self, connection: Connection, header: RunRow, version: int, made: tuple[_Again, list[_New]] | None
    ) -> int:
        """In the writer's transaction: put everything of the run in its place; how many blobs. 0 for one that is gone.

        It may be run twice, as any job. Raises ``Tampered`` when the rows are not those of the run that was opened.
        """
        now = runs.get(connection, header.run_id)
        if now is None or now.mac != header.mac:
            return 0
        again = _Again(header) if made is None else made[0]
        for value in self._values(connection, again, header, version) if made is None else made[1]:
            if value.name:
                is_there = runs_again.replace_chunk(connection, header.run_id, value.name, value.index, value.sealed)
            else:
                is_there = runs_again.replace_event(connection, header.run_id, value.index, value.sealed)
            if not is_there:
                raise _tampered(header)
        for hook in again.hooks:
            hooks.replace(connection, hook)
        rows = runs_again.rows_of(connection, header.run_id)
        if (rows.events + rows.chunks, rows.hooks) != (again.values, len(again.hooks)):
            raise _tampered(header)
        runs.replace(connection, again.header)
        return rows.blobs

    def _values(self, connection: Connection, again: _Again, header: RunRow, version: int) -> Iterator[_New]:
        """Everything sealed of the run, opened, sealed under ``version`` and opened again; 0 opens it only.

        ``again`` is complete when this has ended. Raises ``Tampered``, ``KeyMissing``.
        """
        self._keys.check(TABLE, header.columns(), key_version=header.key_version, mac=header.mac)
        again.values, again.hooks = 0, []
        created, before, tag = b"", b"", b""
        while again.values <= header.head_index:
            limit = min(PAGE, header.head_index + 1 - again.values)
            page = journal.events(connection, header.run_id, start=again.values, limit=limit)
            if not page:
                raise _tampered(header)
            for row in page:
                # SQLite keeps a value of any type in any column.
                is_ours = isinstance(row.sealed, bytes) and row.event_type in FIELDS
                if row.index != again.values or not is_ours:
                    raise _tampered(header)
                place = place_of(row, before)
                content = self._run_keys.decrypt(row.sealed, SealContext(place))
                created = created if row.index else content
                before = tag_of(row.sealed)
                sealed = self._sealed(content, place_of(row, tag), version)
                tag = tag_of(sealed) if sealed else b""
                again.values += 1
                yield _New("", row.index, sealed)
        if before != header.head_tag:
            raise _tampered(header)
        yield from self._chunks(connection, again, version)
        for hook in self._hooks(connection, header):
            again.hooks.append(self._hook_rows.authenticated(replace(hook, key_version=version)) if version else hook)
        if version:
            moved = replace(header, key_version=version, head_tag=tag)
            moved = replace(moved, request_digest=request_again(self._keys, header, created, moved))
            again.header = replace(moved, mac=self._keys.mac(TABLE, moved.columns(), key_version=version))

    def _chunks(self, connection: Connection, again: _Again, version: int) -> Iterator[_New]:
        run_id, after = again.header.run_id, ""
        while streams := stream_chunks.streams(connection, run_id, after=after, limit=PAGE):
            for stream in streams:
                after = stream.name
                before: ChunkRow | None = None
                behind: ChunkRow | None = None
                while page := stream_chunks.chunks(
                    connection, run_id, after, start=before.index + 1 if before else 0, limit=PAGE
                ):
                    for row in page:
                        if before is not None and before.final:
                            raise _tampered(again.header)
                        content = self._run_keys.decrypt(row.sealed, SealContext(place_of_chunk(row, before)))
                        sealed = self._sealed(content, place_of_chunk(row, behind), version)
                        before, behind = row, replace(row, sealed=sealed or row.sealed)
                        again.values += 1
                        yield _New(row.name, row.index, sealed)

    def _hooks(self, connection: Connection, header: RunRow) -> Iterator[HookRow]:
        after = ""
        while page := hooks.page(connection, header.run_id, after=after, limit=PAGE):
            for row in page:
                after = row.hook_id
                # The end of a run disposes of its hooks; the digest of a token is under the old version.
                if self._hook_rows.verified(row).token_digest is not None:
                    raise _tampered(header)
                yield row

    def _sealed(self, content: bytes, place: Place, version: int) -> bytes:
        if not version:
            return b""
        sealed = self._run_keys.encrypt(content, SealContext(place, version))
        if self._run_keys.decrypt(sealed, SealContext(place)) != content:
            raise Internal("SR-KEY-033", "what was sealed again does not open as it was", why="nothing was changed")
        return sealed


@dataclass(frozen=True, slots=True)
class _Job:
    """What the writer does for one run."""

    runs: EndedRuns
    header: RunRow
    version: int
    made: tuple[_Again, list[_New]] | None = None

    def __call__(self, connection: Connection) -> int:
        return self.runs.replaced(connection, self.header, self.version, self.made)


def _rows_of(header: RunRow, connection: Connection) -> RowsOfRun:
    return runs_again.rows_of(connection, header.run_id)


def _tampered(header: RunRow) -> Tampered:
    return Tampered(f"run {header.run_id}", run_id=header.run_id)
