"""Names of the sockets of a host, for the host and for those who look for it."""

from pathlib import Path
from typing import Final

__all__ = ["ADMIN_NAME", "OBSERVE_NAME", "SOCKET_NAME", "admin_socket_beside", "observe_socket_beside"]

SOCKET_NAME: Final = "strongroom.sock"
ADMIN_NAME: Final = "admin.sock"
OBSERVE_NAME: Final = "observe.sock"


def admin_socket_beside(socket: Path) -> Path:
    """``admin.sock`` in the directory of ``strongroom.sock``; beside another one, where other hosts may have theirs, it
    has its name too."""
    return _beside(socket, ADMIN_NAME, "admin")


def observe_socket_beside(socket: Path) -> Path:
    """``observe.sock``, by the same rule."""
    return _beside(socket, OBSERVE_NAME, "observe")


def _beside(socket: Path, usual: str, word: str) -> Path:
    return socket.with_name(usual if socket.name == SOCKET_NAME else f"{socket.stem}-{word}{socket.suffix}")
