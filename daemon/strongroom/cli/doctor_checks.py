"""What ``strongroom doctor`` looks at: this machine, this installation, the settings, and the host if it answers.

Rule 1: a check reads; nothing is changed, repaired or sent anywhere.
Rule 2: what is found is names, numbers, modes and codes, and never a value that somebody wanted kept.
"""

import ctypes
import os
import platform
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from strongroom.cli.sizes import size
from strongroom.errors import StrongroomError
from strongroom.settings.callers import load_callers
from strongroom.settings.manifest import load_manifest

__all__ = ["FilesInForce", "Finding", "Level", "of_host", "of_machine", "of_settings"]

Level = Literal["ok", "note", "problem"]
WASMTIME_MIN: Final = (50, 0, 1)
"""Older ones have advisories of sandbox escapes."""
LANDLOCK: Final = 444
SECCOMP_FILTER_AVAILABLE: Final = Path("/proc/sys/kernel/seccomp/actions_avail")
MDWE_GET: Final = 66
DISK_FREE_MIN: Final = 1_000_000_000
BACKUP_AGE_MAX_S: Final = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found, and what to do where it is not ``ok``."""

    name: str
    level: Level
    found: str
    fix: str = ""

    def document(self) -> dict[str, str]:
        """As JSON."""
        return {"check": self.name, "level": self.level, "found": self.found, "fix": self.fix}


def of_machine() -> Iterator[Finding]:
    """This kernel, and this installation."""
    yield Finding(name="program", level="ok", found=f"strongroom {metadata.version('strongroom')}, {_python()}")
    version = metadata.version("wasmtime")
    is_new = tuple(int(part) for part in version.split(".")[:3] if part.isdecimal()) >= WASMTIME_MIN
    yield Finding(
        name="wasmtime",
        level="ok" if is_new else "problem",
        found=version,
        fix=""
        if is_new
        else f"install {'.'.join(map(str, WASMTIME_MIN))} or newer: older ones have holes that are known",
    )
    libc = ctypes.CDLL(None, use_errno=True)
    landlock = libc.syscall(ctypes.c_long(LANDLOCK), None, ctypes.c_size_t(0), ctypes.c_uint(1))
    yield _kernel("landlock", landlock > 0, f"version {landlock}", "Linux 5.13 with CONFIG_SECURITY_LANDLOCK")
    has_filters = SECCOMP_FILTER_AVAILABLE.exists()
    yield _kernel("seccomp", has_filters, "filters", "a kernel with CONFIG_SECCOMP_FILTER")
    has_lock = libc.prctl(MDWE_GET, 0, 0, 0, 0) >= 0
    yield _kernel("memory lock", has_lock, "PR_SET_MDWE", "Linux 6.3, or a service manager that locks the unit")


class Files(Protocol):
    """What is looked at of settings: the files that they name."""

    @property
    def plugins_file(self) -> Path: ...
    @property
    def callers_file(self) -> Path | None: ...
    @property
    def state_dir(self) -> Path: ...
    @property
    def keyring_file(self) -> Path: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesInForce:
    """Those of a running host."""

    plugins_file: Path
    callers_file: Path | None
    state_dir: Path
    keyring_file: Path

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "FilesInForce":  # Any: JSON by dotted key
        """From what a host says of itself."""
        callers_file = settings["callers_file"]
        return cls(
            plugins_file=Path(settings["plugins_file"]),
            callers_file=Path(callers_file) if callers_file else None,
            state_dir=Path(settings["state_dir"]),
            keyring_file=Path(settings["keyring_file"]),
        )


def of_settings(settings: Files, warnings: Sequence[str] = ()) -> Iterator[Finding]:
    """The settings, and the files that they name."""
    for warning in warnings:
        yield Finding(name="settings", level="note", found=warning)
    try:
        entries = load_manifest(settings.plugins_file)
        callers = load_callers(settings.callers_file) if settings.callers_file is not None else ()
    except StrongroomError as error:
        yield Finding(name="files", level="problem", found=f"{error} ({error.code})", fix=error.fix)
    else:
        pinned = sum(bool(entry.pin) for entry in entries)
        found = f"{len(entries)} plugins named, {pinned} pinned, {len(callers)} callers"
        yield Finding(name="files", level="ok", found=found)
    yield _directory("state", settings.state_dir)
    yield _keyring(settings.keyring_file)
    yield from _recovery(settings.state_dir)


def of_host(status: Mapping[str, Any], now: datetime) -> Iterator[Finding]:  # Any: JSON of ``strongroom status``
    """What the host says of itself."""
    is_ready = status["state"] == "ready"
    yield Finding(
        name="host",
        level="ok" if is_ready else "problem",
        found=f"{status['state']}, {status['health']}, {status['mode']}, strongroom {status['version']}",
        fix="" if is_ready else "its log says what it waits for",
    )
    for problem in status["trigger_problems"]:
        yield Finding(name="trigger", level="note", found=problem, fix="bring its plugin up, or pause the workflow")
    for name in ("plugin", "workspace", "audit"):
        key = f"{name}_problems"
        for problem in status[key]:
            yield Finding(name=name, level="problem", found=problem, fix="the text says what to do")
    for name, key in (("runners", "runner_missing"), ("enclaves", "confidential_missing")):
        for missing in status[key]:
            # A host that is not root cannot give a runner another user, and the shipped units are such a host.
            level: Level = "note" if missing.startswith("own-user") else "problem"
            yield Finding(name=name, level=level, found=f"not in force: {missing}", fix="see docs/runners.md")
    if status["insecure"]:
        found = f"{status['confidential_backend']} gives no hardware protection"
        yield Finding(name="enclaves", level="note", found=found, fix="for development only")
    is_locked = not status["memory_lock"].startswith("not locked")
    yield Finding(
        name="memory",
        level="ok" if is_locked else "note",
        found=status["memory_lock"],
        fix="" if is_locked else "see docs/runners.md",
    )
    if status["reload_problem"]:
        yield Finding(name="reload", level="problem", found=status["reload_problem"], fix="correct it, then reload")
    for key in status["needs_restart"]:
        yield Finding(name="reload", level="note", found=f"{key} needs a restart")
    if status["disk_is_low"]:
        yield Finding(
            name="disk", level="problem", found="full: the host is read-only", fix="make room; it goes on by itself"
        )
    yield _backup(status["backup_time"], now)


def _python() -> str:
    return f"Python {platform.python_version()}, {platform.system()} {platform.release()}, {platform.machine()}"


def _kernel(name: str, has_it: bool, found: str, needs: str) -> Finding:
    if has_it:
        return Finding(name=name, level="ok", found=found)
    return Finding(name=name, level="note", found="this kernel has none", fix=f"it needs {needs}")


def _directory(name: str, path: Path) -> Finding:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        free = shutil.disk_usage(path).free
    except OSError as error:
        return Finding(name=name, level="note", found=f"{path}: {error.strerror}", fix="a host makes it at its start")
    if mode & 0o077:
        return Finding(name=name, level="problem", found=f"{path} has mode {mode:o}", fix=f"chmod 700 {path}")
    if free < DISK_FREE_MIN:
        return Finding(name=name, level="problem", found=f"{size(free)} free at {path}", fix="make room")
    return Finding(name=name, level="ok", found=f"{path}, {size(free)} free")


def _keyring(path: Path) -> Finding:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        found = f"{path} is not there; credentials and key providers are known to the host alone"
        return Finding(name="keyring", level="note", found=found)
    except OSError as error:
        return Finding(name="keyring", level="note", found=f"{path}: {error.strerror}", fix="look as the host's user")
    if mode & 0o077 and path.stat().st_uid == os.getuid():
        return Finding(name="keyring", level="problem", found=f"mode {mode:o}", fix=f"chmod 600 {path}")
    return Finding(name="keyring", level="ok", found=f"{path}, mode {mode:o}")


def _recovery(state_dir: Path) -> Iterator[Finding]:
    from strongroom.cli.recovery_note import read_note

    noted = read_note(state_dir)
    if noted is None:
        fix = "strongroom keys export-recovery, then keys verify-recovery: who loses the keys has lost the data"
        yield Finding(name="recovery", level="note", found="no recovery file was verified here", fix=fix)
    else:
        yield Finding(name="recovery", level="ok", found=f"verified for {', '.join(noted)}")


def _backup(time: str | None, now: datetime) -> Finding:
    fix = "strongroom backup create PATH, and verify it elsewhere"
    if time is None:
        return Finding(name="backup", level="note", found="there is none yet", fix=fix)
    age_s = (now - datetime.fromisoformat(time)).total_seconds()
    is_old = age_s > BACKUP_AGE_MAX_S
    found = f"the last one is {age_s / 86_400:.1f} days old"
    return Finding(name="backup", level="note" if is_old else "ok", found=found, fix=fix if is_old else "")


def now() -> datetime:
    """In UTC."""
    return datetime.now(UTC)
