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
    if user == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        if {*os.getresuid(), *os.getresgid()} != {NOBODY} or os.getgroups():
            raise OSError("the kernel did not give it another user")
    elif user != NOBODY:
        raise OSError(f"user {user} started it, and only root can give it another user")
    if (outside := _outside(NOBODY)) != NOBODY:
        raise OSError(f"it is user {NOBODY} in its namespace only, and user {outside} outside of it")


def _outside(user: int) -> int | None:
    """Who ``user`` is for the user namespace above; None when that cannot be told."""
    for line in _USERS.read_text().splitlines():
        first, outside, count = map(int, line.split())
        if first <= user < first + count:
            return outside + user - first
    return None
