"""Where an external runner listens: ``unix:/path``, ``tcp:host:port`` or ``vsock:cid:port``."""

import contextlib
import os
import re
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Address", "prepare"]

UNIX_PATH_BYTES_MAX: Final = 107
"""What the kernel has room for."""
NUMBER_MAX: Final = 2**32 - 1
PORT_MAX: Final = 65_535
BACKLOG: Final = 8
_TCP: Final = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})")
_VSOCK: Final = re.compile(r"([0-9]{1,10}):([0-9]{1,10})")
_KEEPALIVE: Final = (
    (socket.TCP_KEEPIDLE, 15),
    (socket.TCP_KEEPINTVL, 5),
    (socket.TCP_KEEPCNT, 3),
    (socket.TCP_USER_TIMEOUT, 30_000),
)
"""A machine that vanished is noticed within half a minute, whether something is on its way to it or not. In seconds,
seconds, probes, and milliseconds."""


@dataclass(frozen=True, slots=True)
class Address:
    """One address. ``parse`` makes one, ``text`` is how it was written."""

    text: str
    kind: str
    path: str = ""
    host: str = ""
    number: int = 0
    port: int = 0

    @classmethod
    def parse(cls, untrusted: str) -> "Address":
        """Raises ``ValueError`` saying what an address is."""
        kind, _, rest = untrusted.partition(":")
        if (
            kind == "unix"
            and rest.startswith("/")
            and len(os.fsencode(rest)) <= UNIX_PATH_BYTES_MAX
            and "\0" not in rest
        ):
            return cls(untrusted, kind, path=rest)
        if kind == "tcp" and (found := _TCP.fullmatch(rest)) and 0 < int(found[2]) <= PORT_MAX:
            return cls(untrusted, kind, host=found[1].strip("[]"), port=int(found[2]))
        if kind == "vsock" and (found := _VSOCK.fullmatch(rest)) and max(map(int, found.groups())) <= NUMBER_MAX:
            return cls(untrusted, kind, number=int(found[1]), port=int(found[2]))
        raise ValueError(f"{untrusted[:200]!r} is not unix:/path, tcp:host:port or vsock:cid:port")

    def connect(self, timeout_s: float) -> socket.socket:
        """A connection. Raises ``OSError``."""
        if self.kind == "tcp":
            return socket.create_connection((self.host, self.port), timeout_s)
        with contextlib.ExitStack() as undo:
            connection = undo.enter_context(socket.socket(self._family()))
            connection.settimeout(timeout_s)
            connection.connect(self._place())
            undo.pop_all()
        return connection

    @contextlib.contextmanager
    def listen(self) -> Iterator[socket.socket]:
        """A socket that listens, for as long as the context. One in the file system is its owner's alone.

        Raises ``OSError``, also when somebody else listens there.
        """
        if self.kind == "tcp":
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            with socket.create_server((self.host, self.port), family=family, backlog=BACKLOG) as listening:
                yield listening
            return
        if self.kind == "unix":
            self._remove_abandoned()
        with socket.socket(self._family()) as listening:
            before = os.umask(0o177)
            try:
                listening.bind(self._place())
            finally:
                os.umask(before)
            try:
                listening.listen(BACKLOG)
                yield listening
            finally:
                if self.kind == "unix":
                    Path(self.path).unlink(missing_ok=True)

    def _family(self) -> int:
        return socket.AF_UNIX if self.kind == "unix" else socket.AF_VSOCK

    def _place(self) -> str | tuple[int, int]:
        return self.path if self.kind == "unix" else (self.number, self.port)

    def _remove_abandoned(self) -> None:
        """A socket that its process left behind."""
        try:
            if not stat.S_ISSOCK(os.stat(self.path).st_mode):  # noqa: PTH116 - beside the calls on sockets
                return
            with socket.socket(socket.AF_UNIX) as asking:
                asking.connect(self.path)
        except ConnectionRefusedError:
            Path(self.path).unlink(missing_ok=True)
        except FileNotFoundError:
            return


def prepare(connection: socket.socket) -> None:
    """Set up either end: it blocks, sends small frames at once, and notices when the other machine has vanished."""
    connection.settimeout(None)
    if connection.family in {socket.AF_INET, socket.AF_INET6}:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
