"""A WebSocket without a socket: a mount and the relay of its own daemon, in memory.

What crosses is the same frames as over a network, so a mount beside the relay is treated as one far away.
One end belongs to the relay's loop, the other to any thread; each direction holds a bounded number of messages.
"""

import asyncio
import threading
from collections import deque
from typing import Final

from strongroom.workspace.sync import faults
from strongroom.workspace.sync.channel import ChannelClosed

__all__ = ["LocalChannel", "LocalSocket"]

MESSAGES_MAX: Final = 64
"""Messages that wait in one direction; whoever sends more waits, as with a full buffer of a kernel."""
SEND_S_MAX: Final = 30
"""A relay that takes nothing for this long is stopped or stuck."""


class LocalChannel:
    """The relay's end, made on the relay's loop. ``socket`` is the other one."""

    def __init__(self, subprotocol: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._inbox: asyncio.Queue[bytes | str | None] = asyncio.Queue()
        self._room_to_send = asyncio.Event()
        self._room_to_send.set()
        self.socket = LocalSocket(self, subprotocol)

    async def receive(self) -> bytes | str:
        """See ``Channel``."""
        message = await self._inbox.get()
        if message is None:
            raise ChannelClosed
        self.socket.taken()
        return message

    async def send(self, message: bytes | str) -> None:
        """See ``Channel``."""
        await self._room_to_send.wait()
        if not self.socket.put(message):
            self._room_to_send.clear()

    async def close(self, code: int, reason: str) -> None:
        """See ``Channel``."""
        self.socket.closed_by_peer(code, reason)

    # Called by the socket, from its thread.

    def deliver(self, message: bytes | str | None) -> None:
        """One message for the relay; ``None`` is the end. Raises ``RuntimeError`` once the loop is closed."""
        self._loop.call_soon_threadsafe(self._inbox.put_nowait, message)

    def has_room(self) -> None:
        """The socket's reader has taken some."""
        self._loop.call_soon_threadsafe(self._room_to_send.set)


class LocalSocket:
    """The mount's end: a ``WebSocket`` as ``strongroom.plugin.mounts`` has it. Safe for any thread."""

    def __init__(self, channel: LocalChannel, subprotocol: str) -> None:
        self._channel = channel
        self._subprotocol = subprotocol
        self._messages: deque[bytes | str] = deque()
        self._changed = threading.Condition()
        self._unread = 0
        self._closed: tuple[int, str] | None = None

    @property
    def subprotocol(self) -> str | None:
        """What the relay chose."""
        return self._subprotocol

    def send(self, message: bytes | str) -> None:
        """Send one message; waits while the relay has many to read. Raises ``Unavailable`` when it is closed."""
        with self._changed:
            in_time = self._changed.wait_for(lambda: self._closed or self._unread < MESSAGES_MAX, SEND_S_MAX)
            if self._closed is not None:
                raise faults.closed(*self._closed)
            if not in_time:
                raise faults.closed(1006, "the relay takes nothing")
            self._unread += 1
            self._deliver(message)

    def recv(self, timeout: float | None = None) -> bytes | str:
        """The next message. Raises ``TimeoutError``, and ``Unavailable`` when it is closed and all was read."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._messages or self._closed, timeout):
                raise TimeoutError
            if not self._messages:
                raise faults.closed(*(self._closed or (1006, "")))
            message = self._messages.popleft()
            if len(self._messages) == MESSAGES_MAX // 2 and self._closed is None:
                self._wake()
            return message

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it. Twice is fine."""
        with self._changed:
            if self._closed is None:
                self._closed = (code, reason)
                self._deliver(None)
            self._changed.notify_all()

    # Called by the relay's end, on its loop.

    def put(self, message: bytes | str) -> bool:
        """One message from the relay; whether there is room for another."""
        with self._changed:
            self._messages.append(message)
            self._changed.notify_all()
            return len(self._messages) < MESSAGES_MAX

    def taken(self) -> None:
        """The relay has read one."""
        with self._changed:
            self._unread -= 1
            self._changed.notify_all()

    def closed_by_peer(self, code: int, reason: str) -> None:
        """The relay has closed."""
        with self._changed:
            if self._closed is None:
                self._closed = (code, reason)
            self._changed.notify_all()

    def _deliver(self, message: bytes | str | None) -> None:
        try:
            self._channel.deliver(message)
        except RuntimeError:
            self._closed = self._closed or (1001, "the relay is stopped")
            if message is not None:
                raise faults.closed(*self._closed) from None

    def _wake(self) -> None:
        try:
            self._channel.has_room()
        except RuntimeError:
            self._closed = self._closed or (1001, "the relay is stopped")
