"""Where orders come from: a socket that listens, or the descriptor that whoever started the program left it."""

import contextlib
import os
import socket
import stat
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Final, Protocol

from strongroom.guest.starter import wire

__all__ = ["Door", "InheritedDoor", "ListeningDoor", "NobodyLeft", "activated", "listening_at"]

ACTIVATED: Final = 3
"""The first descriptor that a service manager passes, see sd_listen_fds(3)."""

BACKLOG: Final = 128
"""Orders that wait for one turn of the program, which takes milliseconds."""


class NobodyLeft(Exception):
    """Nobody can come through this door any more."""


class Door(Protocol):
    """What connections come through."""

    def fileno(self) -> int:
        """What becomes readable when somebody comes."""

    def take(self) -> socket.socket | None:
        """The connection that is there, if it still is. Raises ``NobodyLeft``, ``OSError``."""


class ListeningDoor:
    """A listening socket. Raises ``ValueError`` when it is no such socket as it has to be."""

    def __init__(self, listening: socket.socket) -> None:
        wire.check_socket(listening, listens=True)
        listening.setblocking(False)
        self._listening = listening

    def fileno(self) -> int:
        """See ``Door``."""
        return self._listening.fileno()

    def take(self) -> socket.socket | None:
        """See ``Door``."""
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            return self._listening.accept()[0]
        return None


class InheritedDoor:
    """One end of a pair, through which connections come as descriptors. When the other end is closed, nobody is left.

    Raises ``ValueError`` as ``ListeningDoor`` does.
    """

    def __init__(self, inherited: socket.socket) -> None:
        wire.check_socket(inherited)
        inherited.setblocking(False)
        self._inherited = inherited

    def fileno(self) -> int:
        """See ``Door``."""
        return self._inherited.fileno()

    def take(self) -> socket.socket | None:
        """See ``Door``. What is no connection is closed."""
        try:
            message = wire.receive(self._inherited)
        except (BlockingIOError, wire.BrokenMessage):
            return None
        except ConnectionError:
            raise NobodyLeft from None
        if message is None:
            raise NobodyLeft
        if message[1] is None:
            return None
        if not stat.S_ISSOCK(os.fstat(message[1]).st_mode):
            os.close(message[1])
            return None
        connection = socket.socket(fileno=message[1])
        try:
            wire.check_socket(connection)
        except ValueError:
            connection.close()
            return None
        return connection


def activated(environment: MutableMapping[str, str]) -> socket.socket | None:
    """The socket that the service manager opened for this process, if it did. Its variables are removed.

    Raises ``ValueError`` when there are several. Source: sd_listen_fds(3).
    """
    process, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if process != str(os.getpid()) or not count:
        return None
    if count != "1":
        raise ValueError(f"the service manager passes {count[:20]} sockets, and one is served")
    if not stat.S_ISSOCK(os.fstat(ACTIVATED).st_mode):
        raise ValueError("what the service manager passes is no socket")
    os.set_inheritable(ACTIVATED, False)
    return socket.socket(fileno=ACTIVATED)


@contextlib.contextmanager
def listening_at(path: Path) -> Iterator[socket.socket]:
    """A socket at ``path`` that is its owner's alone, for as long as the context. Raises ``OSError``.

    One that its process left behind is removed; one that somebody listens at is left alone.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            if stat.S_ISSOCK(path.lstat().st_mode):
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
                    asking.setblocking(False)
                    asking.connect(os.fspath(path))
                raise FileExistsError(f"somebody listens at {path}")
        if path.is_socket():
            path.unlink()
        before = os.umask(0o177)
        try:
            listening.bind(os.fspath(path))
        finally:
            os.umask(before)
        try:
            listening.listen(BACKLOG)
            yield listening
        finally:
            path.unlink(missing_ok=True)
