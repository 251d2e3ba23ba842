"""The daemon, which holds keys, makes no memory executable; runners, which hold none, must. Who starts them then.

Way 1: another unit, behind ``runners.pool_socket``. The service manager locks the daemon's unit, or the daemon itself.
Way 2: the daemon locks itself alone and starts them as its children (Linux 6.6).
Way 3: the daemon locks itself and all that it starts, and a process that it started before starts them (Linux 6.3).
Way 4: nothing is locked, and whoever asks is told why.

Which one is in force is found out by trying, and never believed. Source: docs/decisions/0018.
"""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.app.hardening import INHERITED, NOT_INHERITED, Kernel
from strongroom.errors import Misconfigured
from strongroom.guest import executable_memory
from strongroom.guest.starter import wire
from strongroom.guest.starter.child import own_child
from strongroom.guest.starter.pool_client import Pool, at_path, over
from strongroom.guest.starter.started import Start
from strongroom.settings.model import Settings
from strongroom.storage.directories import private_directory
from strongroom.telemetry import logs

__all__ = ["BEFORE", "BY_ITSELF", "NOT_LOCKED", "TWO_UNITS", "UNLOCKED", "MemoryLock", "lock_memory"]

TWO_UNITS: Final = "two units"
BY_ITSELF: Final = "locked by itself"
BEFORE: Final = "locked, runners from a process started before"
NOT_LOCKED: Final = "not locked"

SOCKET_PATH_BYTES_MAX: Final = 107
"""What the kernel has room for."""
END_S: Final = 5.0
"""How long a process that starts runners may take to end when it is hung up on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLock:
    """``way`` is what is in force, in words. ``start`` starts runners; ``pool_socket`` is where plugins can have them
    started, empty where they do it themselves."""

    way: str
    start: Start = own_child
    pool_socket: str = ""
    end: Callable[[], None] = lambda: None


UNLOCKED: Final = MemoryLock(way=f"{NOT_LOCKED}: nobody asked for it")
"""Of a daemon that is a part of another program."""


def lock_memory(settings: Settings, kernel: Kernel | None = None) -> MemoryLock:
    """Lock this process as well as the kernel can. Call it before anything else runs here, and once.

    Raises ``Misconfigured`` when runners could execute nothing.
    """
    kernel = kernel or Kernel()
    pool = settings.runners.pool_socket
    if pool is not None:
        why = _locked(kernel, (NOT_INHERITED, INHERITED)) if executable_memory.can_be_made() else ""
        way = f"{NOT_LOCKED}: {why}" if why else TWO_UNITS
        return MemoryLock(way=way, start=Pool(at_path(pool)).start, pool_socket=str(pool))
    if not executable_memory.can_be_made():
        raise Misconfigured(
            "SR-GUEST-038",
            "this host may make no memory executable, and would start runners that inherit that",
            why="its unit has MemoryDenyWriteExecute, and runners.pool_socket is not set",
            fix="set runners.pool_socket to the socket of strongroom-runner",
            where="runners.pool_socket",
        )
    if not (why := _locked(kernel, (NOT_INHERITED,))):
        return MemoryLock(way=BY_ITSELF)
    if kernel.knows():
        return MemoryLock(way=f"{NOT_LOCKED}: {why}")
    return _locked_after_the_pool(settings, kernel)


def _locked_after_the_pool(settings: Settings, kernel: Kernel) -> MemoryLock:
    path: Path | None = private_directory(settings.runtime_dir / "runners", "runtime_dir") / "pool.sock"
    if len(os.fsencode(path or "")) > SOCKET_PATH_BYTES_MAX:
        path = None  # nobody but this host needs one, as long as no plugin starts runners
    inherited, process = _started_pool(path, settings.log.format)

    def end() -> None:
        inherited.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
        process.kill()
        process.wait()

    if why := _locked(kernel, (INHERITED,)):
        end()
        return MemoryLock(way=f"{NOT_LOCKED}: {why}")
    return MemoryLock(way=BEFORE, start=Pool(over(inherited)).start, pool_socket=str(path or ""), end=end)


def _started_pool(path: Path | None, log_format: str) -> tuple[socket.socket, "subprocess.Popen[bytes]"]:
    """``strongroom-runner`` as a child, in a session of its own: an interrupt in a terminal is for this host alone."""
    ours, theirs = wire.pair()
    with theirs:
        at = () if path is None else ("--socket", os.fspath(path))
        command = [sys.executable, "-I", "-m", "strongroom.guest.starter", "--inherited", str(theirs.fileno()), *at]
        command += ["--log-format", log_format]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={"LANG": "C.UTF-8", **logs.for_children(os.environ)},
            cwd="/",
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return ours, process


def _locked(kernel: Kernel, ways: tuple[int, ...]) -> str:
    """Nothing once this process is locked, in the first of these ways that works; or why in none."""
    if why := kernel.knows():
        return f"this kernel has no lock for it, Linux 6.3 has ({why})"
    for how in ways:
        why = kernel.refuse(how)
        if not why:
            return "the kernel accepts the lock and does not keep it" if executable_memory.can_be_made() else ""
    return why
