"""A room with who is in it: the document's news, presence of devices, and awareness."""

import asyncio
import json
import time
from typing import Protocol

from strongroom.errors import StrongroomError
from strongroom.workspace.sync import faults
from strongroom.workspace.sync.limits import RelayTimes
from strongroom.workspace.sync.presence import Presence
from strongroom.workspace.sync.room import News, Room
from strongroom.workspace.sync.room_awareness import RoomAwareness
from strongroom.workspace.sync.subprotocols import Dialect
from strongroom.workspace.yjs.frames import y_awareness

__all__ = ["Hall", "Occupant"]


class Occupant(Protocol):
    """A connection as its room sees it."""

    device_id: str

    @property
    def dialect(self) -> Dialect:
        """How it speaks."""

    def hear(self, news: News) -> None:
        """Tell it what the document took in."""

    def say(self, message: bytes | str) -> None:
        """Tell it this."""

    def room_failed(self, fault: StrongroomError) -> None:
        """The room cannot be used any more."""


class Hall:
    """One room that is open. Used on the relay's loop."""

    def __init__(self, room: Room, times: RelayTimes, connections_max: int) -> None:
        self.room = room
        self.awareness = RoomAwareness()
        self.presence = Presence(self._presence_changed, asyncio.get_running_loop().call_later, times.leave_s)
        self._occupants: set[Occupant] = set()
        self._connections_max = connections_max

    @property
    def empty(self) -> bool:
        """Whether nobody is in it."""
        return not self._occupants

    def join(self, occupant: Occupant) -> None:
        """Let somebody in. Raises ``LimitExceeded`` when it is full."""
        if len(self._occupants) >= self._connections_max:
            raise faults.too_many(
                "connections to this workspace", self._connections_max, "relay.connections_per_room_max"
            )
        self._occupants.add(occupant)
        self.room.members.add(occupant)
        told = self.presence.joined(occupant.device_id, time.time_ns() // 1_000_000)
        if not told and occupant.dialect is Dialect.EPICENTER:
            occupant.say(self._presence_frame(occupant))

    def leave(self, occupant: Occupant, *, at_once: bool) -> None:
        """Somebody has gone; ``at_once`` if their device may not come again."""
        self._occupants.discard(occupant)
        self.room.members.discard(occupant)
        self.presence.left(occupant.device_id, at_once=at_once)
        self.tell_awareness(self.awareness.left(occupant))

    def tell_awareness(self, update: bytes | None) -> None:
        """Tell everybody whose dialect has awareness, the one that it came from too."""
        if update is not None:
            frame = y_awareness(update)
            for occupant in tuple(self._occupants):
                if occupant.dialect is Dialect.STRONGROOM:
                    occupant.say(frame)

    def _presence_changed(self) -> None:
        for occupant in tuple(self._occupants):
            if occupant.dialect is Dialect.EPICENTER:
                occupant.say(self._presence_frame(occupant))

    def _presence_frame(self, occupant: Occupant) -> str:
        return json.dumps(self.presence.frame(occupant.device_id), separators=(",", ":"))
