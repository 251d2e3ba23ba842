"""One daemon per state directory: a lock that the kernel releases with the process, however it ends. And one host per
database, which is looked after as long as the host is up."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from strongroom.errors import Unavailable
from strongroom.storage.host_lock import HostLock
from strongroom.telemetry import logs

__all__ = ["Keeper", "StateLock"]

NAME: Final = "strongroom.lock"
log = logs.get("app")


class StateLock:
    """Holds the lock of a state directory from construction to ``release``."""

    def __init__(self, state_dir: Path) -> None:
        """Take the lock. Raises ``Unavailable`` naming the process that has it."""
        path = state_dir / NAME
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise Unavailable(
                "SR-APP-001",
                f"another strongroom daemon (process {holder}) uses {state_dir}",
                why="two daemons on one state directory would run everything twice",
                fix="use that one, stop it, or choose another --state-dir",
                state_dir=str(state_dir),
                pid=holder,
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next daemon in."""
        os.close(self._descriptor)


class Keeper:
    """Holds on to the database. What is wrong is logged: a host that lost its database writes nothing there anyway.

    What another host accepted in between and left unfinished is taken over once the lock is held again.
    """

    def __init__(self, lock: HostLock, take_over: Callable[[], int]) -> None:
        self._lock = lock
        self._take_over = take_over
        self._was_lost = False

    def __call__(self) -> None:
        """Look once."""
        try:
            if not self._lock.keep():
                self._was_lost = True
                log.warning("the connection that holds the lock of the database was lost; the lock is held again")
        except Unavailable as error:
            log.error(
                "the lock of the database is lost; if another host has it, stop one of them",
                extra={"code": error.code, "why": str(error)},
            )
            return
        if self._was_lost:
            runs = self._take_over()
            self._was_lost = False
            if runs:
                log.warning("runs that nobody executed are taken over", extra={"runs": runs})
