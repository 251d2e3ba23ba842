"""Connecting to a relay: ``websockets`` as the ``WebSocket`` that mounts are given.

Rule 1: a redirect is not followed: the token in the handshake would go with it.
Rule 2: the library logs nothing: its debug lines hold the headers of the handshake.
Rule 3: without TLS a token goes to this machine only.
"""

import logging
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus, InvalidURI
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from strongroom.errors import StrongroomError
from strongroom.workspace.sync import faults
from strongroom.workspace.sync.limits import RECEIVED_BYTES_MAX
from strongroom.workspace.sync.listening import stays_here
from strongroom.workspace.sync.subprotocols import BEARER

__all__ = ["DialedSocket", "dial", "silent"]

CONNECT_S_MAX: Final = 15
"""Contract 12."""
PING_S: Final = 60
"""Contract 12; without an answer for half as long again the connection is dead: 90 s in all."""
PONG_S_MAX: Final = 30
CLOSE_S_MAX: Final = 3
_FORBIDDEN: Final = (401, 403)


def silent(name: str) -> logging.Logger:
    """A logger that says nothing and has no parent that could."""
    return logging.Logger(name, level=logging.CRITICAL + 1)  # noqa: LOG001 - one that is registered has a parent


def dial(
    url: str, subprotocols: Sequence[str], *, bearer: str | None = None, authorities_file: Path | None = None
) -> "DialedSocket":
    """Connect to ``url``, offering ``subprotocols`` and the bearer behind them.

    ``authorities_file`` is a PEM file to trust instead of the system's authorities. Raises ``InvalidInput`` for a URL
    that cannot be, ``Forbidden`` where the relay admits nobody like this, ``Unavailable`` for all that may pass.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise faults.url_malformed("it is no ws:// or wss:// URL")
    tls = None
    if parts.scheme == "wss":
        tls = ssl.create_default_context(cafile=authorities_file)
    elif bearer is not None and not stays_here(parts.hostname):
        raise faults.url_malformed("a token does not leave this machine without TLS: use wss://")
    offered = [*subprotocols, *([BEARER + bearer] if bearer is not None else [])]
    try:
        # A socket of our own: the library follows redirects only with sockets that it made itself.
        raw = socket.create_connection((parts.hostname, parts.port or (443 if tls else 80)), CONNECT_S_MAX)
    except OSError as error:
        raise faults.unreachable(error.strerror or type(error).__name__) from None
    try:
        return DialedSocket(
            connect(
                url,
                sock=raw,
                ssl=tls,
                subprotocols=[Subprotocol(each) for each in offered],
                compression=None,
                user_agent_header=None,
                proxy=None,
                open_timeout=CONNECT_S_MAX,
                ping_interval=PING_S,
                ping_timeout=PONG_S_MAX,
                close_timeout=CLOSE_S_MAX,
                max_size=RECEIVED_BYTES_MAX,
                logger=silent("strongroom.relay.dial"),
                # It lives as long as its client, not as long as a block.
                legacy=True,
            )
        )
    except InvalidStatus as refusal:
        status = refusal.response.status_code
        if status in _FORBIDDEN:
            raise faults.refused_for_good(f"it answered {status}") from None
        raise faults.unreachable(f"it answered {status}") from None
    except InvalidURI:
        raise faults.url_malformed("it cannot be taken apart") from None
    except (InvalidHandshake, InvalidMessage, EOFError):
        raise faults.unreachable("what answers there is no relay, or hung up") from None
    except ssl.SSLCertVerificationError as error:
        raise faults.unreachable(f"its certificate: {error.verify_message}") from None
    except (OSError, ValueError) as error:
        # ValueError is a redirect that was not followed; its text has the URL.
        raise faults.unreachable(getattr(error, "strerror", None) or type(error).__name__) from None


class DialedSocket:
    """A ``WebSocket`` as ``strongroom.plugin.mounts`` has it, over the network."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    @property
    def subprotocol(self) -> str | None:
        """What the far side chose."""
        return self._connection.subprotocol

    def send(self, message: bytes | str) -> None:
        """Send one message. Raises ``Unavailable`` when the connection is closed; ``close_code`` says why."""
        try:
            self._connection.send(message)
        except ConnectionClosed as end:
            raise _closed(end) from None

    def recv(self, timeout: float | None = None) -> bytes | str:
        """The next message. Raises ``TimeoutError``, and as ``send`` does."""
        try:
            return self._connection.recv(timeout)
        except ConnectionClosed as end:
            raise _closed(end) from None

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it. Twice is fine."""
        self._connection.close(code, reason)


def _closed(end: ConnectionClosed) -> StrongroomError:
    code, reason = (end.rcvd.code, end.rcvd.reason) if end.rcvd else (1006, "")
    return faults.closed(code, reason)
