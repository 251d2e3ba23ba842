"""A connection in the dialect of y-websocket: an outer message type, V1 updates, awareness.

Everything is binary. A text frame would break a browser's client, so none is ever sent.
"""

from typing import ClassVar

from strongroom.errors import StrongroomError
from strongroom.workspace.sync import faults
from strongroom.workspace.sync.connection import Connection
from strongroom.workspace.sync.room import News
from strongroom.workspace.sync.subprotocols import Dialect
from strongroom.workspace.yjs import frames

__all__ = ["StrongroomConnection"]


class StrongroomConnection(Connection):
    """See the module."""

    dialect: ClassVar[Dialect] = Dialect.STRONGROOM

    def hear(self, news: News) -> None:
        """See ``Member``."""
        self.say(frames.y_update(news.v1))

    async def _greet(self) -> None:
        self.say(frames.y_step1(await self.hall.room.state_vector()))
        self._tell_awareness()

    async def _take(self, message: bytes | str) -> None:
        if isinstance(message, str):
            self.malformed(faults.frame_malformed("it is text"))
            return
        try:
            frame = frames.decode_y(message)
        except StrongroomError as fault:
            self.malformed(fault)
            return
        match frame:
            case frames.Step1():
                await self.drained()
                self.say(frames.y_step2(await self.hall.room.missing(frame.state_vector, self.dialect)))
            case frames.Step2() | frames.Update():
                await self.write(frame.update, live=isinstance(frame, frames.Update))
            case frames.Awareness():
                self.hall.tell_awareness(self.hall.awareness.take(self, frame.update))
            case frames.QueryAwareness():
                self._tell_awareness()

    def _say_read_only(self) -> None:
        self.say(frames.y_denied(faults.read_only().what))

    def _tell_awareness(self) -> None:
        known = self.hall.awareness.everything()
        if known is not None:
            self.say(frames.y_awareness(known))
