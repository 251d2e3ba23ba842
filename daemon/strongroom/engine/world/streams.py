"""Streams, as the contract has them, over the streams that every run has.

A chunk has no reference of its writer there, so one that is written again after a lost answer is another chunk; who
must not write twice uses ``strongroom.v1.StreamService``, whose streams these are.
"""

import secrets
from collections.abc import Iterator, Sequence
from typing import Final

from strongroom.engine.stream_chunk import Chunk, from_outside
from strongroom.engine.stream_reader import StreamInfo, StreamReader
from strongroom.engine.stream_store import StreamStore
from strongroom.engine.world.ledger import Ledger
from strongroom.engine.world.writable import check_writable

__all__ = ["WorldStreams"]

REFERENCE_BYTES: Final = 16


class WorldStreams:
    """Writes to streams of runs that others execute, and reads those of all."""

    def __init__(self, ledger: Ledger, store: StreamStore, reader: StreamReader) -> None:
        self._ledger = ledger
        self._store = store
        self._reader = reader

    def write(self, run_id: str, name: str, chunk: bytes) -> int:
        """Append a chunk; its index. Raises what ``StreamStore.write`` raises, and ``WrongState`` for a run of this
        host."""
        check_writable(self._ledger.header(run_id))
        return self._store.write(run_id, name, chunk, written_by=_reference()).index

    def write_multi(self, run_id: str, name: str, chunks: Sequence[bytes]) -> list[int]:
        """Append several chunks in order; their indexes. Those before one that is refused stay. Raises as ``write``."""
        return [self.write(run_id, name, chunk) for chunk in chunks]

    def close(self, run_id: str, name: str) -> None:
        """Mark the end. Raises as ``write``."""
        check_writable(self._ledger.header(run_id))
        self._store.close(run_id, name, written_by=_reference())

    def get(self, run_id: str, name: str, start_index: int = 0) -> Iterator[bytes]:
        """The chunks from ``start_index`` on, from the end where that is below zero, until the stream is closed.

        Raises ``NotFound``, ``Tampered``, ``KeyMissing``, and ``Truncated`` where its run ended before it was closed.
        """
        with self._reader.watch(run_id) as watch:
            for chunk in self._reader.follow(run_id, name, start_index, watch):
                if not chunk.final or chunk.opened():
                    yield chunk.opened()

    def list(self, run_id: str, *, after: str = "", limit: int) -> Sequence[StreamInfo]:
        """Up to ``limit`` streams behind the name ``after``."""
        return self._reader.infos(self._ledger.header(run_id).run_id, after=after, limit=limit)

    def get_chunks(self, run_id: str, name: str, start_index: int = 0, *, limit: int) -> tuple[Sequence[Chunk], bool]:
        """One page of chunks, and whether there are others. Raises as ``get``."""
        return self._reader.page(run_id, name, start_index, limit)

    def get_info(self, run_id: str, name: str) -> StreamInfo:
        """How one stream stands. Raises ``NotFound``, ``Tampered``."""
        return self._reader.info(run_id, name)


def _reference() -> str:
    return from_outside(secrets.token_urlsafe(REFERENCE_BYTES))
