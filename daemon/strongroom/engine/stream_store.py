"""Writing to the named streams of runs. (What rings those who watch a run is ``engine.streams``.)

Rule 1: order is the order of commit: a chunk gets its index, and is sealed behind the one before, in its transaction.
Rule 2: a chunk is on disk when its writer hears of it, and one that is sent again under its reference is not written
again.
Rule 3: nothing is written to a run that has ended, or behind the chunk that is marked as the last.
"""

from dataclasses import dataclass, replace

from strongroom.engine.journal import Journals, now_ms
from strongroom.engine.lifecycle import FINAL
from strongroom.engine.limits import EngineLimits
from strongroom.engine.stream_budget import StreamBudget, check_chunk
from strongroom.engine.stream_chunk import check_name, open_chunk, place_of_chunk
from strongroom.errors import (
    Conflict,
    KeyMissing,
    LimitExceeded,
    NotFound,
    Refused,
    SealBudgetExceeded,
    StrongroomError,
    Tampered,
    WrongState,
)
from strongroom.keyring.run_keys import SealContext
from strongroom.storage import runs, stream_chunks
from strongroom.storage.database import Connection
from strongroom.storage.stream_chunks import ChunkRow

__all__ = ["StreamStore", "Written"]


@dataclass(frozen=True, slots=True)
class Written:
    """Where the chunk stands, and whether this write put it there."""

    index: int
    created: bool


class StreamStore:
    """Writes chunks. Safe to use from several threads; writers of one stream may interleave."""

    def __init__(self, journals: Journals, limits: EngineLimits) -> None:
        self._journals = journals
        self._limits = limits
        self._budget = StreamBudget(journals.database, limits)

    def write(self, run_id: str, name: str, data: bytes, *, written_by: str, last: bool = False) -> Written:
        """Append a chunk, which with ``last`` closes the stream; it is on disk when this returns.

        ``written_by`` is the writer's reference: the correlation id of a guest's step, or what
        ``stream_chunk.from_outside`` makes of a request id. The same one again is answered with the chunk that stands.

        Raises ``InvalidInput``, ``LimitExceeded``, ``NotFound`` for a run that is not there, ``WrongState`` once the
        run has ended or the stream is closed, ``Conflict`` for a reference that wrote something else, ``Tampered``,
        ``KeyMissing``, ``SealBudgetExceeded``, ``StorageFault`` and ``Unavailable``.
        """
        check_name(name)
        check_chunk(data, self._limits)
        return self._append(run_id, name, data, written_by, final=last, is_mark=False)

    def close(self, run_id: str, name: str, *, written_by: str) -> Written:
        """Mark the end with an empty chunk, unless the last one is marked. A stream that is not there is made, empty.

        Raises what ``write`` raises, but nothing for a stream that is closed.
        """
        return self._append(run_id, check_name(name), b"", written_by, final=True, is_mark=True)

    def _append(self, run_id: str, name: str, data: bytes, written_by: str, *, final: bool, is_mark: bool) -> Written:
        new = ChunkRow(
            run_id=run_id,
            name=name,
            index=0,
            written_by=written_by,
            final=int(final),
            created_at=now_ms(),
            sealed=b"",
        )
        full: LimitExceeded | None = None
        try:
            self._budget.take(run_id, name, len(data), is_mark=is_mark)
        except LimitExceeded as error:
            # What is sent again needs no room, and which this is only the disk knows.
            full = error
        try:
            done = self._journals.database.write(lambda c: self._answer(c, new, data, full, is_mark=is_mark)).result()
        except StrongroomError:
            self._budget.forget(run_id)
            raise
        is_new = isinstance(done, Written) and done.created
        if not is_new and full is None:
            self._budget.give_back(run_id, len(data))
        if isinstance(done, StrongroomError):
            raise done
        if is_new:
            self._journals.streams.ring(run_id)
        return done

    def _answer(
        self, connection: Connection, new: ChunkRow, data: bytes, full: LimitExceeded | None, *, is_mark: bool
    ) -> Written | StrongroomError:
        """As ``_written``. A refusal is an answer: nothing was written, and those that share the commit need not be
        done again for it."""
        try:
            return self._written(connection, new, data, full, is_mark=is_mark)
        except (Refused, Tampered, KeyMissing, SealBudgetExceeded) as error:
            return error

    def _written(
        self, connection: Connection, new: ChunkRow, data: bytes, full: LimitExceeded | None, *, is_mark: bool
    ) -> Written:
        """In the writer's transaction: whether the run still goes on is looked at where nobody can end it meanwhile."""
        row = runs.get(connection, new.run_id)
        if row is None:
            raise NotFound("SR-RUN-001", f"there is no run {new.run_id[:80]!r}", fix="list runs: strongroom run list")
        header = self._journals.verified(row)
        before = stream_chunks.written(connection, new.run_id, new.name, new.written_by)
        if before is not None:
            self._check_same(connection, before, new, data)
            return Written(before.index, created=False)
        if header.status in FINAL:
            raise WrongState(
                "SR-STREAM-003",
                f"run {new.run_id} has ended, and its streams with it",
                fix="write to a run that goes on",
                run_id=new.run_id,
                state=header.status,
            )
        last = stream_chunks.last(connection, new.run_id, new.name)
        if last is not None and last.final:
            if is_mark:
                return Written(last.index, created=False)
            raise WrongState(
                "SR-STREAM-004",
                f"stream {new.name} of run {new.run_id} is closed after chunk {last.index}",
                fix="write to another stream",
                run_id=new.run_id,
                index=last.index,
            )
        if full is not None:
            raise full
        chunk = replace(new, index=0 if last is None else last.index + 1)
        context = SealContext(place_of_chunk(chunk, last), header.key_version)
        sealed = self._journals.run_keys.encrypt(data, context)
        stream_chunks.append(connection, replace(chunk, sealed=sealed))
        return Written(chunk.index, created=True)

    def _check_same(self, connection: Connection, before: ChunkRow, new: ChunkRow, data: bytes) -> None:
        """Raise ``Conflict`` unless the reference wrote the same before."""
        behind = stream_chunks.before(connection, before)
        if before.final == new.final and open_chunk(self._journals.run_keys, before, behind) == data:
            return
        raise Conflict(
            "SR-STREAM-007",
            f"chunk {before.index} of stream {new.name} was written under this request id, and is another one",
            why="a request id names one chunk, so that one that is sent again is written once",
            fix="make a new id for each chunk",
            run_id=new.run_id,
            index=before.index,
        )
