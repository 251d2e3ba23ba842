"""Reading the named streams of runs: from any index, to the end or as they grow, each chunk authentic or an error.

Rule 1: a chunk is given out only behind the one before; what is missing, moved or changed is ``Tampered``.
Rule 2: a stream ends with the chunk that is marked as its last, and nobody is told so before that opened there. One
whose run has ended without it is ``Truncated``, after everything that is there.
Rule 3: what is wrong with one stream is told to its readers and to nobody else.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from strongroom.engine.journal import Journals
from strongroom.engine.lifecycle import FINAL
from strongroom.engine.stream_chunk import OVERHEAD_BYTES, Chunk, check_name, key_version, open_chunk, tampered
from strongroom.engine.streams import Watch
from strongroom.engine.unreadable import fault_of
from strongroom.errors import KeyMissing, NotFound, Tampered, Truncated
from strongroom.storage import stream_chunks
from strongroom.storage.database import Connection
from strongroom.storage.runs import RunRow
from strongroom.storage.stream_chunks import ChunkRow, Tail

__all__ = ["StreamInfo", "StreamReader"]

CHUNKS: Final = 64
"""Chunks in memory at once, fewer where they are large: there are many readers."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """How a stream stands. ``chunks`` leaves out the empty one that only marks the end, ``stored`` counts it.

    ``tampered``: its last chunk is not what was written, or others are missing; nothing else of it is to be trusted.
    """

    name: str
    chunks: int
    content_bytes: int
    closed: bool
    stored: int = 0
    tampered: bool = False


@dataclass(frozen=True, slots=True)
class _Stand:
    """The header of the run, and the last chunk that its stream has after that."""

    header: RunRow
    last: Tail | None

    @property
    def length(self) -> int:
        """Chunks, with the one that marks the end."""
        return 0 if self.last is None else self.last.index + 1


class StreamReader:
    """Reads streams. Safe to use from several threads."""

    def __init__(self, journals: Journals) -> None:
        self._journals = journals

    def header(self, run_id: str) -> RunRow:
        """The header of a run, by run id or execution id. Raises ``NotFound`` or ``Tampered``."""
        header = self._journals.get(run_id)
        if header is None:
            raise NotFound("SR-RUN-001", f"there is no run {run_id[:80]!r}", fix="list runs: strongroom run list")
        return header

    def watch(self, run_id: str) -> AbstractContextManager[Watch]:
        """A watch for ``follow``."""
        return self._journals.streams.watch(run_id)

    def infos(self, run_id: str, *, after: str = "", limit: int) -> Sequence[StreamInfo]:
        """Up to ``limit`` streams of a run behind the name ``after``, by name; one that is broken says so."""
        return self._infos(run_id, after=after, limit=limit)

    def info(self, run_id: str, name: str) -> StreamInfo:
        """How one stream stands. Raises ``NotFound`` and ``Tampered``."""
        found = self._infos(run_id, only=check_name(name), limit=1)
        if not found:
            raise self._missing(self.header(run_id).run_id, name)
        if found[0].tampered:
            raise tampered(run_id, name)
        return found[0]

    def page(self, run_id: str, name: str, start: int, limit: int) -> tuple[list[Chunk], bool]:
        """Up to ``limit`` chunks from index ``start`` on, fewer where they are large, and whether to ask for more.

        ``start`` below zero counts from the end. Raises ``NotFound``, ``Tampered``, and ``Truncated`` for what is
        behind the last chunk of a stream whose run ended without closing it.
        """
        stand = self._stand(run_id, check_name(name))
        if stand.last is None:
            raise self._missing(run_id, name)
        found = self._chunks(stand, name, _resolved(start, stand), limit)
        if not found:
            self._ends(stand, name, seen_last=False)
            return [], False
        is_truncated = stand.header.status in FINAL and not found[-1].final
        return found, found[-1].row.index + 1 < stand.length or is_truncated

    def follow(self, run_id: str, name: str, start: int, watch: Watch, *, is_followed: bool = True) -> Iterator[Chunk]:
        """The chunks from index ``start`` on, as ``page`` reads them, until the last one or until ``watch`` is closed.

        Without ``is_followed`` only those that are there now. A stream that is not there yet may be followed.
        """
        check_name(name)
        index: int | None = None
        while not watch.closed:
            watch.seen()
            stand = self._stand(run_id, name)
            if stand.last is None:
                if stand.header.status in FINAL or not is_followed:
                    raise self._missing(run_id, name)
                watch.wait()
                continue
            index = _resolved(start, stand) if index is None else index
            seen_last = False
            while index < stand.length and not watch.closed:
                for chunk in self._chunks(stand, name, index, CHUNKS):
                    yield chunk
                    index, seen_last = chunk.row.index + 1, chunk.final
            if watch.closed or self._ends(stand, name, seen_last=seen_last) or not is_followed:
                return
            watch.wait()

    def _ends(self, stand: _Stand, name: str, *, seen_last: bool) -> bool:
        """Whether nothing will come behind what is there.

        Raises ``Truncated`` where something should, and ``KeyMissing`` where nobody can tell.
        """
        if stand.last is not None and stand.last.final:
            if not seen_last:
                # Nobody is told of an end that does not open as one; also where only the key is missing.
                for last in self._chunks(stand, name, stand.last.index, 1):
                    last.opened()
            return True
        if stand.header.status in FINAL:
            raise Truncated(
                "SR-STREAM-006",
                f"stream {name} of run {stand.header.run_id} ends after {stand.length} chunks without its last one",
                why="its run ended before it was closed, or the rest was removed from the database",
                fix="use what came as a beginning; whether there was more is in the run: strongroom run get",
                run_id=stand.header.run_id,
                chunks=stand.length,
            )
        return False

    def _chunks(self, stand: _Stand, name: str, start: int, limit: int) -> list[Chunk]:
        """Chunks from ``start`` on, no further than the last one of ``stand``. Raises ``Tampered`` for a gap."""
        run_id = stand.header.run_id
        limit = min(limit, stand.length - start)
        if limit <= 0:
            return []

        def query(connection: Connection) -> tuple[ChunkRow | None, Sequence[ChunkRow]]:
            found = stream_chunks.chunks(connection, run_id, name, start=start, limit=limit)
            return stream_chunks.before(connection, found[0]) if found else None, found

        previous, found = self._journals.database.read(query)
        if not found or found[0].index != start:
            # A run that was removed meanwhile is not there any more, which is no fault.
            self.header(run_id)
            raise tampered(run_id, name)
        opened = []
        for row in found:
            opened.append(self._opened(row, previous))
            previous = row
        return opened

    def _opened(self, row: ChunkRow, previous: ChunkRow | None) -> Chunk:
        if previous is not None and previous.final:
            raise tampered(row.run_id, row.name)
        version = key_version(row)
        try:
            return Chunk(row, version, open_chunk(self._journals.run_keys, row, previous))
        except (KeyMissing, Tampered) as error:
            thing = f"stream {row.name} of run {row.run_id}"
            why = self._journals.explainer().explain(thing, fault_of(error, row.sealed), version)
            about_a_key = why.about_a_key()
            if about_a_key is None:
                raise
            return Chunk(row, version, None, about_a_key)

    def _stand(self, run_id: str, name: str) -> _Stand:
        """The run is read before its stream: a chunk that comes between is behind no end."""
        header = self.header(run_id)
        last = self._journals.database.read(lambda c: stream_chunks.tail(c, header.run_id, name))
        return _Stand(header, last)

    def _infos(self, run_id: str, *, after: str = "", only: str = "", limit: int) -> Sequence[StreamInfo]:
        def query(connection: Connection) -> Sequence[StreamInfo]:
            found = stream_chunks.streams(connection, run_id, after=after, only=only, limit=limit)
            # Opened here, so that the last chunks of one stream are in memory at a time, and not those of all.
            return [self._info(row, _last_two(connection, run_id, row.name)) for row in found]

        return self._journals.database.read(query)

    def _info(self, row: stream_chunks.StreamRow, last_two: Sequence[ChunkRow]) -> StreamInfo:
        """Columns in the clear say how a stream stands; what they say of its end must open as that."""
        size = row.sealed_bytes - row.chunks * OVERHEAD_BYTES
        try:
            last = self._opened(last_two[-1], last_two[-2] if len(last_two) > 1 else None)
            is_whole = row.chunks == row.last_index + 1 == last.row.index + 1
        except (Tampered, IndexError):
            is_whole = False
        if not is_whole:
            return StreamInfo(row.name, row.chunks, size, closed=False, stored=row.chunks, tampered=True)
        return StreamInfo(
            row.name,
            row.chunks - _is_mark(last.row.final, len(last.row.sealed)),
            size,
            closed=last.final,
            stored=row.chunks,
        )

    @staticmethod
    def _missing(run_id: str, name: str) -> NotFound:
        return NotFound(
            "SR-STREAM-005",
            f"run {run_id} has no stream {name}",
            fix="list its streams: strongroom run streams RUN",
            run_id=run_id,
        )


def _last_two(connection: Connection, run_id: str, name: str) -> Sequence[ChunkRow]:
    """The last chunk of a stream and the one before; nothing where they are not what the database should hold."""
    try:
        last = stream_chunks.last(connection, run_id, name)
        before = stream_chunks.before(connection, last) if last is not None else None
    except Tampered:
        return ()
    return [each for each in (before, last) if each is not None]


def _is_mark(final: int, sealed_bytes: int) -> bool:
    """Whether a chunk is empty and there to mark the end only."""
    return bool(final) and sealed_bytes == OVERHEAD_BYTES


def _resolved(start: int, stand: _Stand) -> int:
    """The index that ``start`` stands for; below zero it counts back from behind the last chunk with content."""
    if start >= 0:
        return start
    is_marked = stand.last is not None and _is_mark(stand.last.final, stand.last.sealed_bytes)
    return max(stand.length - is_marked + start, 0)
