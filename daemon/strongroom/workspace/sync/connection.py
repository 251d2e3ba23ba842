"""One connection of a room: what it says is taken in order, what it hears is queued.

Rule 1: it waits for its own frame to be on disk before it reads the next one, so a flood stays in the sender's socket.
Rule 2: a peer that does not read is let go; the relay keeps for it no more than a limit.
Rule 3: a frame that makes no sense is ignored. What makes sense and must not be is answered by closing, with its code.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar, Final

from strongroom.errors import Refused, StrongroomError
from strongroom.settings.relay import RelaySettings
from strongroom.workspace.sync import faults
from strongroom.workspace.sync.budget import Budget
from strongroom.workspace.sync.channel import Channel, ChannelClosed
from strongroom.workspace.sync.close_codes import CloseCode, life_over
from strongroom.workspace.sync.hall import Hall
from strongroom.workspace.sync.limits import MALFORMED_MAX, OWNER_HELD_BYTES_MAX, RelayTimes
from strongroom.workspace.sync.pace import Pace
from strongroom.workspace.sync.room import News
from strongroom.workspace.sync.subprotocols import Dialect
from strongroom.workspace.sync.tokens import Grant

__all__ = ["Connection", "Surroundings"]

COSTLY_S: Final = 0.2
COSTLY_FACTOR: Final = 3
"""After an update that took longer than that, its sender waits for a multiple: the others have the processor first."""
ASKS_PER_SECOND: Final = 1
"""How often a peer is asked for what its update waits for."""
FRAME_COST_BYTES: Final = 64
"""What an empty frame costs in the queue."""
DRAINED_BYTES: Final = 1_000_000
"""A peer that asks for the whole document while more than this waits to be sent is answered when it has read."""
REASON_BYTES_MAX: Final = 120
"""A closing frame has 123 bytes for its reason (RFC 6455, 5.5)."""
_log = logging.getLogger("strongroom.relay")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every connection of a relay shares. ``refused`` counts by code."""

    settings: RelaySettings
    times: RelayTimes
    refused: Counter[str]
    budget: Budget = field(default_factory=lambda: Budget(OWNER_HELD_BYTES_MAX))


class Connection(ABC):
    """One peer in a room. A dialect is a class below this one."""

    dialect: ClassVar[Dialect]

    def __init__(self, channel: Channel, hall: Hall, device_id: str, grant: Grant, around: Surroundings) -> None:
        self.device_id = device_id
        self.grant = grant
        self.hall = hall
        self._channel = channel
        self._around = around
        self._queue: deque[bytes | str] = deque()
        self._queued_bytes = 0
        self._to_send = asyncio.Event()
        self._sent = asyncio.Event()
        self._ended = asyncio.Event()
        self._why: tuple[int, str] = (CloseCode.GOING_AWAY, "")
        self._pace = Pace(around.settings.frames_per_second_max, asyncio.get_running_loop().time)
        self._asking = Pace(ASKS_PER_SECOND, asyncio.get_running_loop().time)
        self._malformed = 0

    async def run(self) -> None:
        """Be in the room until either side ends it. Raises ``LimitExceeded`` if there is no place."""
        self.hall.join(self)
        life = asyncio.get_running_loop().call_later(
            self._around.times.life_s, self.end, life_over(self.dialect), "the connection's life is over"
        )
        tasks = {asyncio.create_task(each) for each in (self._reading(), self._writing(), self._ended.wait())}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            life.cancel()
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, Exception):
                    _log.error("a connection of the relay failed: %s", type(result).__name__)
                    self.end(CloseCode.INTERNAL, "")
            self._hold(-self._queued_bytes)
            code, reason = self._why
            self.hall.leave(self, at_once=code == CloseCode.NOT_ADMITTED)
            await self._channel.close(code, reason)

    def end(self, code: int, reason: str) -> None:
        """Close the connection, soon. The first reason counts."""
        if not self._ended.is_set():
            self._why = (code, reason.encode()[:REASON_BYTES_MAX].decode(errors="ignore"))
            self._ended.set()

    def room_failed(self, fault: StrongroomError) -> None:
        """See ``Member``."""
        code = CloseCode.FULL if isinstance(fault, Refused) else CloseCode.INTERNAL
        self.end(code, f"{fault.code} {fault.what}")

    @abstractmethod
    def hear(self, news: News) -> None:
        """See ``Member``."""

    @abstractmethod
    async def _greet(self) -> None:
        """What the relay says first: what it has, so that the peer sends the rest."""

    @abstractmethod
    async def _take(self, message: bytes | str) -> None:
        """Act on one message. Raises the faults that ``_refuse`` answers."""

    @abstractmethod
    def _say_read_only(self) -> None:
        """Tell the peer that its change was not taken, if the dialect has a word for it."""

    def say(self, message: bytes | str) -> None:
        """Queue a message. A peer with too many is let go."""
        size = len(message) + FRAME_COST_BYTES
        # One message may be larger than the queue: the whole document is.
        full = self._queue and self._queued_bytes + size > self._around.settings.queue_bytes_max
        if not self._around.budget.has_place(self.grant.owner_id, size):
            # Many slow ones: those that read still get what is small.
            full = full or self._queued_bytes > 0 or size > DRAINED_BYTES
        if full:
            self._around.refused["slow"] += 1
            self._queue.clear()
            self.end(CloseCode.TRY_LATER, "the peer reads too slowly, or many others of its owner do")
            return
        self._queue.append(message)
        self._hold(size)
        self._to_send.set()

    async def drained(self) -> None:
        """Wait until the peer has read most of what it was sent."""
        while self._queued_bytes > DRAINED_BYTES:
            self._sent.clear()
            await self._sent.wait()

    async def write(self, update: bytes, *, live: bool) -> None:
        """Put an update of the peer into the room. ``live`` is one that was made just now.

        With a token that may only read, what changes nothing passes: in a handshake every client sends what it has
        deleted, also when all of it is known. Raises what ``Room.take`` does, and ``Forbidden``.
        """
        if self.grant.may_write:
            took_s, gaps = await self.hall.room.take(update, self.dialect, self)
            # A peer that lacks it too would be asked for ever.
            if gaps and not self._asking.wait_s():
                await self._greet()
            if took_s > COSTLY_S:
                await asyncio.sleep(took_s * COSTLY_FACTOR)
        elif live or await self.hall.room.reaches_beyond(update, self.dialect):
            raise faults.read_only()

    def malformed(self, fault: StrongroomError) -> None:
        """Ignore a frame that cannot be read, unless there were many."""
        self._around.refused[fault.code] += 1
        self._malformed += 1
        if self._malformed > MALFORMED_MAX:
            self.end(CloseCode.REFUSED, f"{fault.code} too many malformed frames")

    async def _reading(self) -> None:
        with suppress(ChannelClosed):
            await self._greet()
            while not self._ended.is_set():
                message = await self._channel.receive()
                size = len(message)
                try:
                    await self._take(message)
                except StrongroomError as fault:
                    self._refuse(fault)
                del message
                wait_s = self._pace.wait_s(size)
                if wait_s:
                    await asyncio.sleep(wait_s)

    async def _writing(self) -> None:
        with suppress(ChannelClosed):
            while True:
                while self._queue:
                    message = self._queue.popleft()
                    await self._channel.send(message)
                    self._hold(-len(message) - FRAME_COST_BYTES)
                    del message  # it may be the whole document, and the next one may be long in coming
                    self._sent.set()
                self._to_send.clear()
                await self._to_send.wait()

    def _hold(self, size: int) -> None:
        """So many bytes more wait for the peer; fewer, if it is negative."""
        self._queued_bytes += size
        self._around.budget.take(self.grant.owner_id, size)

    def _refuse(self, fault: StrongroomError) -> None:
        self._around.refused[fault.code] += 1
        if fault.code == faults.READ_ONLY:
            self._say_read_only()
            return
        room = self.hall.room.address
        _log.warning("%s %s", fault.code, fault.what, extra={"device": self.device_id, "workspace": room.guid})
        if fault.code == faults.ROOM_FULL:
            self.end(CloseCode.FULL, f"{fault.code} {fault.what}")
        elif isinstance(fault, Refused):
            self.end(CloseCode.REFUSED, f"{fault.code} {fault.what}")
        else:
            self.room_failed(fault)
