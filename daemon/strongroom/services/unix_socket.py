"""A Unix socket of the API: bound so that it belongs to the host that serves on it, and to no other."""

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from strongroom.errors import Misconfigured

__all__ = ["ADMIN_MODE", "SOCKET_MODE", "UnixSocket"]

SOCKET_PATH_BYTES_MAX: Final = 107
"""The kernel's limit for the path of a Unix socket, without its final NUL."""
SOCKET_MODE: Final = 0o660
"""The owner, and the group that an operator gave the socket to."""
ADMIN_MODE: Final = 0o600
"""The owner alone."""
CONNECT_S: Final = 1.0
"""How long a host that may be at a socket is given to take a connection; the kernel does it for any that listens."""


class UnixSocket:
    """One socket. ``where`` is the setting that names it."""

    def __init__(self, path: Path, *, mode: int = SOCKET_MODE, where: str = "socket") -> None:
        self._path = path
        self._mode = mode
        self._where = where
        self._made: tuple[int, int] | None = None
        self._directory: int | None = None

    def check(self) -> None:
        """Raises ``Misconfigured`` when it could not be bound now, such as when another host serves on it."""
        size = len(os.fsencode(self._path))
        if size > SOCKET_PATH_BYTES_MAX:
            raise Misconfigured(
                "SR-API-005",
                f"the socket path is {size} bytes, more than {SOCKET_PATH_BYTES_MAX}: {self._path}",
                why="the kernel allows no longer path for a Unix socket",
                fix="choose a shorter --state-dir, or set the socket (--socket, STRONGROOM_SOCKET)",
                where=self._where,
            )
        self._make_room()

    def bind(self, listen: Callable[[str], None]) -> None:
        """Have ``listen`` serve on it, given its address. A socket that nobody serves any more is replaced."""
        self.check()
        try:
            self._bind(listen)
        except RuntimeError as error:
            raise self._unbindable(str(error)) from error
        except OSError as error:
            raise self._unbindable(f"{self._path.parent}: {error.strerror}") from error

    def release(self) -> None:
        """Remove it, unless what stands there by now is another host's."""
        if self._made is not None and _inode(self._path) == self._made:
            self._path.unlink(missing_ok=True)
        if self._directory is not None:
            os.close(self._directory)
            self._directory = None

    def _bind(self, listen: Callable[[str], None]) -> None:
        """Bind under a name of our own, then give the socket the one that clients know, unless somebody has that.

        gRPC removes whatever stands at the path that it bound, before and afterwards; it does not learn the real one.
        """
        self._directory = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        own = self._path.with_name(f".api-{os.getpid()}")
        # Tried beforehand, since gRPC says on stderr and in its own words that a directory takes nothing.
        own.unlink(missing_ok=True)
        # Made and not opened: what somebody linked there before is not written to.
        os.close(os.open(own, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        own.unlink()
        before = os.umask(0o777 & ~self._mode)
        try:
            # The path of the directory may be as long as the kernel allows already.
            listen(f"unix:/proc/self/fd/{self._directory}/{own.name}")
        finally:
            os.umask(before)
        try:
            own.chmod(self._mode)
            os.link(own, self._path)
            self._made = _inode(own)
        except FileExistsError:
            raise self._in_use() from None
        finally:
            own.unlink(missing_ok=True)

    def _make_room(self) -> None:
        """Remove the socket of a host that was killed; refuse to take that of one that answers."""
        try:
            if not stat.S_ISSOCK(self._path.lstat().st_mode):
                raise self._unbindable("what stands there is no socket")
        except OSError:
            # Nothing is there, or binding will say what is wrong.
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(CONNECT_S)
            try:
                client.connect(os.fsencode(self._path))
            except (ConnectionRefusedError, FileNotFoundError):
                # Nobody listens: it is left over.
                self._path.unlink(missing_ok=True)
                return
            except TimeoutError:
                # Its queue is full: somebody is there and has no time.
                pass
            except OSError as error:
                raise self._unbindable(str(error)) from error
        raise self._in_use()

    def _in_use(self) -> Misconfigured:
        how = "--socket, STRONGROOM_SOCKET" if self._where == "socket" else f"the setting {self._where}"
        return Misconfigured(
            "SR-API-009",
            f"somebody serves on the socket {self._path} already",
            why="its clients would be answered by another host",
            fix=f"stop that host, or choose another socket ({how})",
            where=self._where,
        )

    def _unbindable(self, why: str) -> Misconfigured:
        return Misconfigured(
            "SR-API-006",
            f"the socket {self._path} cannot be bound",
            why=why,
            fix="check that its directory exists and is writable",
            where=self._where,
        )


def _inode(path: Path) -> tuple[int, int] | None:
    """What stands at ``path``, told from whatever comes there later."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
