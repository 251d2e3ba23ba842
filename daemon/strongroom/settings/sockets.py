"""Names of the sockets of a host, for the host and for those who look for it."""

from pathlib import Path
from typing import Final

__all__ = ["ADMIN_NAME", "SOCKET_NAME", "admin_socket_beside"]

SOCKET_NAME: Final = "strongroom.sock"
ADMIN_NAME: Final = "admin.sock"


def admin_socket_beside(socket: Path) -> Path:
    """``admin.sock`` in the directory of ``strongroom.sock``; beside another one, where other hosts may have theirs, it
    has its name too."""
    usual = socket.name == SOCKET_NAME
    return socket.with_name(ADMIN_NAME if usual else f"{socket.stem}-admin{socket.suffix}")
