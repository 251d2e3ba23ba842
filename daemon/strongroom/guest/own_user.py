"""A process that root has started becomes nobody, for good."""

import os
from pathlib import Path
from typing import Final

__all__ = ["NOBODY", "become_nobody"]

NOBODY: Final = 65534
"""The user that owns nothing, on every Linux."""
_USERS: Final = Path("/proc/self/uid_map")


def become_nobody() -> None:
    """User and group 65534 in every place where the kernel looks, and no further group.

    Raises ``OSError`` with the reason where that is not so afterwards: only root can give a process another user.
    """
    user = os.geteuid()
    if user != 0:
        if user == NOBODY and _is_alone():
            raise OSError(f"it is user {NOBODY} in its namespace, and outside of it whoever started it")
        raise OSError(f"user {user} started it, and only root can give it another user")
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    if {*os.getresuid(), *os.getresgid()} != {NOBODY} or os.getgroups():
        raise OSError("the kernel did not give it another user")


def _is_alone() -> bool:
    """Whether this process is in a user namespace that was made for one user."""
    return _USERS.read_text().split()[2:] == ["1"]
