"""``Lease``: one daemon owns a project. It is an exclusive transaction on a file there, which ends with the process.

Rule 1: whoever holds it is alive; a process that was killed blocks nobody, whatever files it left.
Rule 2: it stands in the project, so that daemons with different runtime directories exclude each other too.
Rule 3: nothing else in this process opens the file: closing it would take away the kernel's locks on it.

Beside it ``lease.pid`` says who it is, for people only.
Source: contracts/workspace-encryption.md 13.
"""

import os
import sqlite3
import threading
from pathlib import Path
from typing import Final

from strongroom.errors import Misconfigured, StorageFault, Unavailable
from strongroom.workspace.mount.project_state import ProjectState

__all__ = ["LEASE_NAME", "Lease"]

LEASE_NAME: Final = "lease.sqlite"
PID_NAME: Final = "lease.pid"
PID_BYTES_MAX: Final = 20
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class Lease:
    """Held from construction to ``release``, or to the end of the process."""

    def __init__(self, state: ProjectState) -> None:
        """Take it. Raises ``Unavailable`` (AlreadyRunning) with the pid of the holder, ``Misconfigured`` for a link in
        its place, and ``StorageFault``."""
        self.path = state.directory / LEASE_NAME
        self._pid_path = state.directory / PID_NAME
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._make_file()
        try:
            connection = sqlite3.connect(
                f"file:{_quoted(self.path)}?mode=rw", uri=True, timeout=0, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            connection.close()
            if (error.sqlite_errorcode & 0xFF) in _BUSY:
                raise self._taken() from None
            raise self._unusable(error) from error
        except sqlite3.Error as error:
            connection.close()
            raise self._unusable(error) from error
        self._connection = connection
        self._identity = self._look()
        self._say_who()

    @property
    def is_held(self) -> bool:
        """Whether it was not released."""
        return self._connection is not None

    def is_in_place(self) -> bool:
        """Whether the project still is where it was: its directory was neither moved nor deleted nor replaced."""
        return self._identity is not None and self._look() == self._identity

    def release(self) -> None:
        """Let another daemon in. Releasing twice is fine."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _make_file(self) -> None:
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(self.path, flags, 0o600))
        except FileExistsError:
            # Not opened (rule 3).
            if self.path.is_symlink() or not self.path.is_file():
                raise Misconfigured(
                    "SR-MOUNT-011",
                    f"{self.path} cannot be a lease",
                    why="it is a link, or no file",
                    fix="remove it; the host makes it again",
                    where=str(self.path),
                ) from None
        except OSError as error:
            raise self._unusable(error) from error

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat(follow_symlinks=False)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _say_who(self) -> None:
        beside = self._pid_path.with_name(f".{PID_NAME}.{os.getpid()}")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(f"{os.getpid()}\n".encode())
            beside.replace(self._pid_path)
        except OSError:
            # That another daemon is told who has it is worth less than the mount.
            beside.unlink(missing_ok=True)

    def _taken(self) -> Unavailable:
        try:
            with self._pid_path.open("rb") as file:
                text = file.read(PID_BYTES_MAX).decode("ascii", "replace").strip()
        except OSError:
            text = ""
        pid = int(text) if text.isascii() and text.isdigit() else 0
        return Unavailable(
            "SR-MOUNT-009",
            f"another daemon (process {pid or 'unknown'}) has the project {self.path.parent.parent}",
            why="two daemons would write one log",
            fix="use that daemon, unmount the project there, or stop it",
            pid=pid,
        )

    def _unusable(self, error: Exception) -> StorageFault:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return StorageFault(
            "SR-MOUNT-010",
            f"the lease {self.path} cannot be taken",
            why=why,
            fix="let the user of the daemon write there, on a file system that has locks",
        )


def _quoted(path: Path) -> str:
    """A path as part of a SQLite URI."""
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
