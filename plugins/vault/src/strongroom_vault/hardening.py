"""Keep the vault's memory out of core files and away from other processes of the same user.

The values of secrets pass through this process in the clear. Linux only; elsewhere only the core limit holds.
"""

import ctypes
import resource
from typing import Final

__all__ = ["close_memory"]

_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38


def close_memory() -> tuple[str, ...]:
    """Forbid core files, ptrace by others and new privileges. Returns the names of what is in force."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    in_force = ["no-core-files"]
    prctl = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)
    if prctl is not None:
        wanted = (("not-dumpable", _PR_SET_DUMPABLE, 0), ("no-new-privs", _PR_SET_NO_NEW_PRIVS, 1))
        in_force += [name for name, option, value in wanted if prctl(option, value, 0, 0, 0) == 0]
    return tuple(in_force)
