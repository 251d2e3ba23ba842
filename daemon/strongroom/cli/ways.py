"""Which of a host's sockets a call goes through, and what it shows there.

Most calls go through the socket of users. What needs the role decrypt or admin goes through that of administrators,
where there is one and this user may open it; else through the first, whose refusal says what to do.
"""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from strongroom.cli.caller import Caller
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.services.roles import need_of
from strongroom.settings.roles import USERS
from strongroom.settings.sockets import SOCKET_NAME, admin_socket_beside

__all__ = ["Channels", "Way", "find_way", "token_in"]

TOKEN_FILE_BYTES_MAX: Final = 4_096
"""A token has 43 characters, and a file of one a line end."""


@dataclass(frozen=True, slots=True)
class Way:
    """The sockets of a host; ``admin`` is where that of administrators would be, unless one socket was forced."""

    socket: Path
    admin: Path | None = None
    token_file: Path | None = None


def find_way(caller: Caller) -> Way:
    """The sockets that a client talks to: flags, then the environment, then the settings."""
    token_file = caller.token_file or _named("STRONGROOM_TOKEN_FILE")
    if caller.socket is not None:
        return Way(caller.socket.absolute(), None, token_file)
    if caller.state_dir is not None:
        # What the environment says of the other socket is about another host.
        chosen = caller.state_dir.absolute() / SOCKET_NAME
        return Way(chosen, admin_socket_beside(chosen), token_file)
    if (socket := _named("STRONGROOM_SOCKET")) is None and (state_dir := _named("STRONGROOM_STATE_DIR")):
        socket = state_dir / SOCKET_NAME
    if socket is not None:
        return Way(socket, _named("STRONGROOM_ADMIN_SOCKET") or admin_socket_beside(socket), token_file)
    from strongroom.settings.layers import load

    settings = load("client", {}, Path.cwd(), os.environ).settings
    return Way(settings.socket, settings.admin_socket_path, token_file or settings.token_file)


def _named(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).absolute() if value else None


def token_in(path: Path) -> str:
    """The token in a file of its own. Raises ``Failure`` for what is none, or ``Misconfigured`` for a file that others
    may read."""
    from strongroom.crypto.key_files import read_private_file

    try:
        content = read_private_file(path, bytes_max=TOKEN_FILE_BYTES_MAX, code="SR-CLI-180", what="token")
    except FileNotFoundError:
        content = b""
    words = content[: TOKEN_FILE_BYTES_MAX + 1].split()
    if len(words) != 1 or len(content) > TOKEN_FILE_BYTES_MAX or not words[0].isascii():
        raise bad_data(
            "SR-CLI-181",
            f"{path} holds no token",
            why="it is not there, or not one word" if path.exists() else "there is no such file",
            fix="write the token into it, and nothing else: strongroom callers token NAME > FILE",
            exit_code=Exit.DATA,
        )
    return words[0].decode("ascii")


def may_open(path: Path) -> bool:
    """Whether there is a socket that this user may connect to."""
    try:
        return stat.S_ISSOCK(path.stat().st_mode) and os.access(path, os.W_OK)
    except OSError:
        return False


class Channels:
    """What a generated stub takes for a channel: it chooses the real one for each call."""

    def __init__(self, way: Way, opened: Callable[[Path], Any]) -> None:  # Any: grpc is imported when it is needed
        self._way = way
        self._opened = opened
        self._channels: dict[Path, Any] = {}
        token = token_in(way.token_file) if way.token_file is not None else ""
        self.metadata = (("authorization", f"Bearer {token}"),) if token else ()
        """What every call shows."""

    def unary_unary(self, method: str, **how: Any) -> Callable[..., Any]:  # Any: as the library has it
        """One request, one answer."""
        return self._routed("unary_unary", method, how)

    def unary_stream(self, method: str, **how: Any) -> Callable[..., Any]:  # Any: as above
        """One request, many answers."""
        return self._routed("unary_stream", method, how)

    def stream_unary(self, method: str, **how: Any) -> Callable[..., Any]:  # Any: as above
        """Many parts of a request. None of these needs more than a user has."""

        def call(parts: Any, **given: Any) -> Any:  # Any: as above
            return self._channel(self._way.socket).stream_unary(method, **how)(parts, metadata=self.metadata, **given)

        return call

    def close(self) -> None:
        """Close each that was opened."""
        for channel in self._channels.values():
            channel.close()

    def _routed(self, kind: str, method: str, how: dict[str, Any]) -> Callable[..., Any]:  # Any: as above
        def call(request: Any, **given: Any) -> Any:  # Any: as above
            channel = self._channel(self._path_for(method, request))
            return getattr(channel, kind)(method, **how)(request, metadata=self.metadata, **given)

        return call

    def _path_for(self, method: str, request: Any) -> Path:  # Any: a message
        need = need_of(method, request)
        admin = self._way.admin
        if need is None or need.role in USERS or admin is None or not may_open(admin):
            return self._way.socket
        return admin

    def _channel(self, path: Path) -> Any:  # Any: as above
        if path not in self._channels:
            self._channels[path] = self._opened(path)
        return self._channels[path]
