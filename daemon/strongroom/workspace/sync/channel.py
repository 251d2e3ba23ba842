"""What carries messages between the relay and one peer: a WebSocket, or a pair of queues within the daemon."""

from typing import Protocol

__all__ = ["Channel", "ChannelClosed"]


class ChannelClosed(Exception):
    """The peer is gone, or was let go."""


class Channel(Protocol):
    """The relay's end. Text is ``str``, binary is ``bytes``. Used on the relay's loop."""

    async def receive(self) -> bytes | str:
        """The next message. Raises ``ChannelClosed``."""

    async def send(self, message: bytes | str) -> None:
        """Send one, as soon as the peer reads. Raises ``ChannelClosed``."""

    async def close(self, code: int, reason: str) -> None:
        """Close it, whatever it is doing. Twice is fine."""
