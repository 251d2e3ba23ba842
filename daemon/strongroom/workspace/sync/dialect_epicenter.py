"""A connection in the dialect ``epicenter``: no outer message type, V2 updates, JSON in text frames.

Source: contracts/workspace-encryption.md 12.
"""

import json
from typing import ClassVar

from strongroom.errors import StrongroomError
from strongroom.workspace.sync.connection import Connection
from strongroom.workspace.sync.room import News
from strongroom.workspace.sync.subprotocols import Dialect
from strongroom.workspace.sync.text_frames import DispatchRequest, Ping, Published, offline, read_text_frame
from strongroom.workspace.yjs import frames

__all__ = ["EpicenterConnection"]


class EpicenterConnection(Connection):
    """See the module."""

    dialect: ClassVar[Dialect] = Dialect.EPICENTER

    def hear(self, news: News) -> None:
        """See ``Member``."""
        if news.v2 is not None:
            self.say(frames.update(news.v2))

    async def _greet(self) -> None:
        self.say(frames.step1(await self.hall.room.state_vector()))

    async def _take(self, message: bytes | str) -> None:
        if isinstance(message, str):
            self._take_text(message)
            return
        try:
            frame = frames.decode(message)
        except StrongroomError as fault:
            self.malformed(fault)
            return
        match frame:
            case frames.Step1():
                await self.drained()
                self.say(frames.step2(await self.hall.room.missing(frame.state_vector, self.dialect)))
            case frames.Step2() | frames.Update():
                await self.write(frame.update, live=isinstance(frame, frames.Update))

    def _take_text(self, text: str) -> None:
        match read_text_frame(text):
            case Ping():
                self.say("pong")
            case Published(actions):
                self.hall.presence.publish(self.device_id, actions)
            case DispatchRequest() as request:
                self.say(json.dumps(offline(request), separators=(",", ":")))

    def _say_read_only(self) -> None:
        """There is no word for it: the relay counts it, and the change stays with its device."""
