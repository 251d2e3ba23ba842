"""One daemon per state directory: a lock that the kernel releases with the process, however it ends."""

import fcntl
import os
from pathlib import Path
from typing import Final

from strongroom.errors import Unavailable

__all__ = ["STATE_LOCK_NAME", "StateLock"]

STATE_LOCK_NAME: Final = "strongroom.lock"


class StateLock:
    """Holds the lock of a state directory from construction to ``release``."""

    def __init__(self, state_dir: Path) -> None:
        """Take the lock. Raises ``Unavailable`` naming the process that has it, ``OSError`` for a link."""
        path = state_dir / STATE_LOCK_NAME
        # Root may take it in the directory of a service: no link in there decides what root writes to.
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
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
