"""A room: one document, its store, and who is in it.

What comes in is worked on by one thread at a time, in the order in which it came, and in batches that share a flush of
the disk. The loop of the relay waits for nobody: a hostile update costs its own room's turn.

Rule 1: an update is on disk before anybody else hears of it, also by asking for what they lack.
Rule 2: others hear an update as it came, once the document has all of it; what waits for an earlier one is passed on
when that has come, as the document says it.
Rule 3: what is refused changes nothing, and ends nobody else's connection.
Rule 4: after a fault of its store a room is not used again: its memory and its disk differ.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from strongroom.errors import LimitExceeded, Refused, StrongroomError
from strongroom.workspace.document import Document
from strongroom.workspace.sync import faults
from strongroom.workspace.sync.breadth import Breadth
from strongroom.workspace.sync.careful import apply_carefully
from strongroom.workspace.sync.reach import lacking, reach, still_lacking
from strongroom.workspace.sync.room_store import RoomStore
from strongroom.workspace.sync.room_url import RoomAddress
from strongroom.workspace.sync.subprotocols import Dialect
from strongroom.workspace.yjs.convert import v1_to_v2, v2_to_v1
from strongroom.workspace.yjs.limits import FRAME_LIMITS, UpdateLimits
from strongroom.workspace.yjs.state_vector import decode_state_vector
from strongroom.workspace.yjs.untrusted import from_untrusted_v2

__all__ = ["Member", "News", "Room"]

# The limit on messages has been kept already; one in V2 may be longer in V1.
_LIMITS: Final = UpdateLimits(bytes_max=FRAME_LIMITS.v1_bytes_max)
GAPS: Final = b"gaps"
HELD_MAX: Final = 64
"""Updates that wait for others. The library forgets such now and then, so they are tried again; past this many the next
handshake of their sender brings them."""
_NOTHING: Final = b"\x00\x00"
_log = logging.getLogger("strongroom.relay")


@dataclass(frozen=True, slots=True)
class News:
    """What the document took in, once for each encoding that somebody in the room reads."""

    v1: bytes = field(repr=False)
    v2: bytes | None = field(repr=False)


class Member(Protocol):
    """One connection to the room."""

    @property
    def dialect(self) -> Dialect:
        """How it reads."""

    def hear(self, news: News) -> None:
        """Send this, soon. Must not wait."""

    def room_failed(self, fault: StrongroomError) -> None:
        """The room cannot be used any more."""


@dataclass(slots=True, eq=False)
class _Work:
    """Something to be done in the room's turn. ``call`` runs in a worker thread."""

    call: "Callable[[], bytes | None]"
    sender: Member | None
    done: "asyncio.Future[_Work]"
    answer: bytes = b""
    news: tuple[News, ...] = ()
    fault: StrongroomError | None = None
    took_s: float = 0.0


class Room:
    """One room in memory. Its methods are called on the relay's loop."""

    def __init__(
        self,
        address: RoomAddress,
        document: Document,
        store: RoomStore,
        workers: Executor,
        room_bytes_max: int,
        held: list[bytes],
    ) -> None:
        """``held`` is what ``store.load`` gave."""
        self.address = address
        self.members: set[Member] = set()
        self.failed: StrongroomError | None = None
        self._document = document
        self._store = store
        self._workers = workers
        self._bytes_max = room_bytes_max
        self._waiting: list[_Work] = []
        self._working: asyncio.Task[None] | None = None
        self._answering = asyncio.Semaphore(1)
        self._integrated: list[bytes] = []
        self._news: list[News] = []
        self._wants_v2 = False
        self._held = held
        self._to_store: list[tuple[bytes, dict[int, int]]] = []
        self._gaps = store.waits
        self._breadth = Breadth(document)
        document.on_update(lambda update, _origin: self._integrated.append(update))

    async def take(self, update: bytes, dialect: Dialect, sender: Member | None) -> tuple[float, bool]:
        """Take in an update of a peer; when this returns it is on disk, and the others are told.

        Returns the seconds it took, and whether it waits for others, so that the peer is to be asked for those.

        Raises ``InvalidInput``, ``Forbidden`` and ``LimitExceeded`` for what is refused, ``StorageFault`` if the room
        failed.
        """
        work = await self._turn(partial(self._take, update, dialect), sender)
        return work.took_s, work.answer == GAPS

    async def missing(self, state_vector: bytes, dialect: Dialect) -> bytes:
        """The update that leads from a state vector to now. Raises ``InvalidInput``."""
        # One at a time: each may be the whole document, and its asker decides whether it can be held.
        async with self._answering:
            return (await self._turn(partial(self._missing, state_vector, dialect), None)).answer

    async def missing_or_nothing(self, state_vector: bytes, dialect: Dialect) -> bytes:
        """As ``missing``, but no bytes at all when it would say nothing."""
        async with self._answering:
            return (await self._turn(partial(self._missing_or_nothing, state_vector, dialect), None)).answer

    async def reaches_beyond(self, update: bytes, dialect: Dialect) -> bool:
        """Whether an update of a peer holds something that the document has never seen. Raises ``InvalidInput``."""
        return bool((await self._turn(partial(self._reaches_beyond, update, dialect), None)).answer)

    async def state_vector(self) -> bytes:
        """What the document holds, in few bytes."""
        return (await self._turn(self._state_vector, None)).answer

    async def close(self) -> None:
        """Do what waits, make one row of many, and let go of the file."""
        while self._working is not None:
            await asyncio.wait({self._working})
        await asyncio.get_running_loop().run_in_executor(self._workers, self._close)

    async def _turn(self, call: "Callable[[], bytes | None]", sender: Member | None) -> _Work:
        if self.failed is not None:
            raise self.failed
        work = _Work(call, sender, asyncio.get_running_loop().create_future())
        self._waiting.append(work)
        if self._working is None:
            self._working = asyncio.get_running_loop().create_task(self._work())
        # A caller that is cancelled does not take back what it has sent.
        return await asyncio.shield(work.done)

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                if self.failed is None:
                    self._wants_v2 = any(member.dialect is Dialect.EPICENTER for member in self.members)
                    await asyncio.get_running_loop().run_in_executor(self._workers, self._do, batch)
                for work in batch:
                    self._finish(work)
                if self.failed is not None:
                    self._fail(self.failed)
        finally:
            self._working = None

    def _finish(self, work: _Work) -> None:
        fault = self.failed or work.fault
        if self.failed is None:
            for member in tuple(self.members):
                if member is not work.sender:
                    for news in work.news:
                        member.hear(news)
        if work.done.cancelled():
            return
        if fault is None:
            work.done.set_result(work)
        else:
            work.done.set_exception(fault)
            # A caller that has gone reads it no more, and asyncio would print it with its traceback.
            work.done.exception()

    def _fail(self, fault: StrongroomError) -> None:
        for member in tuple(self.members):
            member.room_failed(fault)

    # In a worker thread, one at a time.

    def _do(self, batch: list[_Work]) -> None:
        try:
            for work in batch:
                self._integrated.clear()
                self._news.clear()
                began_s = time.monotonic()
                try:
                    work.answer = work.call() or b""
                except StrongroomError as fault:
                    work.fault = fault
                work.news = tuple(self._news)
                work.took_s = time.monotonic() - began_s
            if self._to_store:
                self._store.append(self._to_store, self._document)
                self._to_store = []
                self._gaps = self._store.waits
                if self._store.grown:
                    self._store.compact(self._document)
        except StrongroomError as fault:
            self.failed = fault
        except BaseException as fault:  # a panic of the library is no Exception; it may not end the relay's thread
            _log.error("SR-SYNC-021 a room of the relay failed: %s", type(fault).__name__)
            self.failed = faults.room_unreadable("its document failed")

    def _take(self, update: bytes, dialect: Dialect) -> bytes:
        update_v1 = from_untrusted_v2(update)[0] if dialect is Dialect.EPICENTER else update
        waiting_bytes = sum(len(each) for each, _ in self._to_store) + len(update_v1)
        if self._store.stored_bytes + waiting_bytes > self._bytes_max:
            self._store.compact(self._document)
            if self._store.stored_bytes + waiting_bytes > self._bytes_max:
                raise faults.room_full(self._store.stored_bytes + waiting_bytes, self._bytes_max)
        try:
            apply_carefully(self._document, update_v1, limits=_LIMITS, admit=self._breadth.admit)
        except LimitExceeded:
            # A part of it may be in the document; then it is on disk as well, and others hear of it.
            self._to_store += [(part, {}) for part in self._integrated]
            self._news = self._parts()
            raise
        ends = dict(reach(update_v1))
        gaps = bool(lacking(ends, self._document.state_vector()))
        if not self._integrated and not gaps:
            return b""
        self._to_store.append((update_v1, ends))
        if gaps or self._gaps:
            self._held = still_lacking(self._document, [*self._held[-HELD_MAX + 1 :], update_v1])
            self._news = self._parts()
            self._gaps |= gaps
        else:
            self._news = self._whole(update_v1, update if dialect is Dialect.EPICENTER else None)
        return GAPS if gaps else b""

    def _whole(self, update_v1: bytes, update_v2: bytes | None) -> list[News]:
        """An update as it came: the library would lose the order of members."""
        if update_v2 is None and self._wants_v2:
            try:
                update_v2 = v1_to_v2(update_v1)
            except Refused:  # what V2 cannot say in this order, such as deletions that do not ascend
                return self._parts()
        return [News(update_v1, update_v2)]

    def _parts(self) -> list[News]:
        """What the document took in, as it says it."""
        return [News(update, v1_to_v2(update) if self._wants_v2 else None) for update in self._integrated]

    def _missing_or_nothing(self, state_vector: bytes, dialect: Dialect) -> bytes:
        update = self._missing(state_vector, Dialect.STRONGROOM)
        if update == _NOTHING:
            return b""
        return v1_to_v2(update) if dialect is Dialect.EPICENTER else update

    def _reaches_beyond(self, update: bytes, dialect: Dialect) -> bytes:
        ends = reach(v2_to_v1(update) if dialect is Dialect.EPICENTER else update)
        return b"yes" if lacking(ends, self._document.state_vector()) else b""

    def _missing(self, state_vector: bytes, dialect: Dialect) -> bytes:
        decode_state_vector(state_vector)
        update = self._document.update_since(state_vector)
        return v1_to_v2(update) if dialect is Dialect.EPICENTER else update

    def _state_vector(self) -> bytes:
        return self._document.state_vector()

    def _close(self) -> None:
        try:
            if self.failed is None:
                self._store.compact(self._document)
        except StrongroomError as fault:
            _log.warning("%s %s", fault.code, fault.with_fix())
        finally:
            self._store.close()
            self._document.close()
