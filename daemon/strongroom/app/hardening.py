"""What the daemon does to itself before it touches a key: no core files, no readers of its memory, no wide files."""

import ctypes
import os
import resource
from typing import Final

__all__ = ["harden"]

PR_SET_DUMPABLE: Final = 4


def harden() -> None:
    """Root secrets live in this process: keep them out of core files and away from processes of the same user."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
