"""Every room that is open, opened by whoever comes first and closed some time after the last has left.

Rule: a room is in memory once. Who comes while it is closed waits, and gets it from disk again.
"""

import asyncio
from concurrent.futures import Executor
from pathlib import Path

from strongroom.errors import StrongroomError
from strongroom.settings.relay import RelaySettings
from strongroom.workspace.document import Document
from strongroom.workspace.sync import faults
from strongroom.workspace.sync.hall import Hall
from strongroom.workspace.sync.limits import RelayTimes
from strongroom.workspace.sync.room import Room
from strongroom.workspace.sync.room_store import RoomStore, room_file
from strongroom.workspace.sync.room_url import RoomAddress

__all__ = ["Halls"]


class Halls:
    """The rooms of one relay. Used on its loop."""

    def __init__(self, directory: Path, settings: RelaySettings, times: RelayTimes, workers: Executor) -> None:
        self._directory = directory
        self._settings = settings
        self._times = times
        self._workers = workers
        self._open: dict[RoomAddress, asyncio.Task[Hall]] = {}
        self._closing: dict[RoomAddress, asyncio.Task[None]] = {}
        self._guests: dict[RoomAddress, int] = {}

    @property
    def count(self) -> int:
        """How many are in memory."""
        return len(self._open)

    async def enter(self, address: RoomAddress) -> Hall:
        """The room, kept open until ``leave``. Raises ``LimitExceeded``, and what opening it raises."""
        # Counted before anything is waited for, so that nobody closes it in between.
        self._guests[address] = self._guests.get(address, 0) + 1
        try:
            while address not in self._open:
                if address in self._closing:
                    await asyncio.wait({self._closing[address]})
                elif len(self._open) >= self._settings.rooms_max:
                    await self._make_space()
                else:
                    self._open[address] = asyncio.create_task(self._load(address))
            hall = await asyncio.shield(self._open[address])
            if hall.room.failed is not None:
                raise hall.room.failed
        except BaseException:
            self.leave(address)
            raise
        return hall

    def leave(self, address: RoomAddress) -> None:
        """What ``enter`` was called for is over."""
        self._guests[address] -= 1
        if self._guests[address]:
            return
        del self._guests[address]
        opened = self._open.get(address)
        if opened is not None:
            sound = not (opened.done() and (opened.exception() or opened.result().room.failed))
            wait_s = self._times.idle_s if sound else 0
            asyncio.get_running_loop().call_later(wait_s, self._retire_if_idle, address)

    async def close(self) -> None:
        """Close all of them; nobody is in any."""
        for address in tuple(self._open):
            self._retire(address)
        while self._closing:
            await asyncio.wait(set(self._closing.values()))

    async def _make_space(self) -> None:
        idle = next((address for address in self._open if address not in self._guests), None)
        if idle is None:
            raise faults.too_many("workspaces in memory", self._settings.rooms_max, "relay.rooms_max")
        self._retire(idle)
        await asyncio.wait({self._closing[idle]})

    def _retire_if_idle(self, address: RoomAddress) -> None:
        if address not in self._guests and address in self._open:
            self._retire(address)

    def _retire(self, address: RoomAddress) -> None:
        opened = self._open.pop(address)
        task = asyncio.create_task(self._close(opened))
        self._closing[address] = task
        task.add_done_callback(lambda _: self._closing.pop(address))

    async def _close(self, opened: "asyncio.Task[Hall]") -> None:
        try:
            hall = await opened
        except StrongroomError:
            return
        hall.presence.close()
        await hall.room.close()

    async def _load(self, address: RoomAddress) -> Hall:
        room = await asyncio.get_running_loop().run_in_executor(self._workers, self._read, address)
        return Hall(room, self._times, self._settings.connections_per_room_max)

    def _read(self, address: RoomAddress) -> Room:
        store = RoomStore(room_file(self._directory, address), self._settings.rooms_per_owner_max)
        document = Document(address.guid)
        try:
            held = store.load(document)
        except StrongroomError:
            store.close()
            raise
        except BaseException as fault:  # a panic of the library is no Exception
            store.close()
            raise faults.room_unreadable(type(fault).__name__) from None
        return Room(address, document, store, self._workers, self._settings.room_bytes_max, held)
