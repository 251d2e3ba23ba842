"""What a plugin process does to itself before it does anything else."""

import ctypes
import os
import resource
import signal
from typing import Final

__all__ = ["harden", "hide"]

# linux/prctl.h
PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4


def harden() -> None:
    """Die with the host, leave no core dump, hide memory and environment from others of this user, ignore SIGINT.

    SIGINT goes to everybody at a terminal; the host decides when its plugins end. Each of these is a layer: a kernel
    that refuses one leaves the others.
    """
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hide()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # the host died before the signal was ordered
        os._exit(1)


def hide() -> None:
    """Write files for this user only, leave no core dump, hide memory and environment from others of this user."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
