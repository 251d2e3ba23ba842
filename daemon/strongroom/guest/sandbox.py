"""What a process takes from itself before it touches a guest.

There is no way back. What this kernel does not offer is reported with its reason, never skipped in silence.
"""

import ctypes
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from strongroom.guest import landlock, seccomp
from strongroom.guest.needs import NOTHING, Needs
from strongroom.guest.own_user import become_nobody

__all__ = ["SandboxReport", "apply"]

_SET_DEATH_SIGNAL: Final = 1
_SET_DUMPABLE: Final = 4
_SET_NO_NEW_PRIVILEGES: Final = 38

DESCRIPTORS_MAX: Final = 64
"""A runner holds a socket, and native code while it loads: a few descriptors, whatever a guest does."""


@dataclass(frozen=True, slots=True)
class SandboxReport:
    """What is in force, by name, and what is not, each as ``name: reason``."""

    protections: tuple[str, ...]
    missing: tuple[str, ...]


def apply(*, readable: int | None = None, needs: Needs = NOTHING, own_user: bool = False) -> SandboxReport:
    """Give up new privileges, core dumps, tracing, files, sockets, ports and programs, for good.

    What lies below the directory behind the descriptor ``readable`` can still be read, by its descriptor. ``needs`` is
    what stays possible beside that, and stands in the report (``seccomp+ioctl``). With ``own_user`` a process of root
    becomes nobody; one of another user stays what it is, and the report says so.

    Call it from the main thread before any other thread starts, after every import and every file that is needed:
    what is open stays usable, nothing can be opened any more. The process is killed when the *thread* that started
    it ends, so start it from a thread that lives as long as it should.
    """
    become: tuple[tuple[str, Callable[[], str | None]], ...] = (("own-user", become_nobody),) if own_user else ()
    steps: tuple[tuple[str, Callable[[], str | None]], ...] = (
        ("no-new-privs", lambda: _control(_SET_NO_NEW_PRIVILEGES, 1)),
        *become,  # before those below, some of which the kernel sets back when the user changes
        ("no-dump", lambda: _control(_SET_DUMPABLE, 0)),
        ("no-core", lambda: _limit(resource.RLIMIT_CORE, 0)),
        ("few-descriptors", lambda: _limit(resource.RLIMIT_NOFILE, DESCRIPTORS_MAX)),
        ("dies-with-parent", lambda: _control(_SET_DEATH_SIGNAL, signal.SIGKILL)),
        ("landlock", lambda: f"landlock-{landlock.restrict(readable, needs.removes_in)}" + _also(needs, "rmdir")),
        ("seccomp", lambda: _filtered(needs)),
    )
    protections, missing = [], []
    for name, step in steps:
        try:
            protections.append(step() or name)
        except (OSError, ValueError) as problem:
            missing.append(f"{name}: {problem}")
    return SandboxReport(tuple(protections), tuple(missing))


def _filtered(needs: Needs) -> str:
    seccomp.install(needs)
    return "seccomp" + _also(needs, *needs.names)


def _also(needs: Needs, *names: str) -> str:
    return "".join(f"+{name}" for name in names if name in needs.names)


def _control(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0))) != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))


def _limit(what: int, value: int) -> None:
    _soft, hard = resource.getrlimit(what)
    most = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (most, most))
