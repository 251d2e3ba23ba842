"""The daemon's own directories: private, or not used."""

import os
from pathlib import Path

from strongroom.errors import Misconfigured

__all__ = ["make_directories", "make_log_parent", "make_socket_parent", "private_directory"]


def private_directory(path: Path, setting: str) -> Path:
    """``path``, made with mode 0700 when missing. Raises ``Misconfigured`` when others may enter, or it is not ours, or
    its name is no text."""
    _check_text(path, setting)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat()
    except OSError as error:
        raise _unusable(path, setting, error) from error
    if found.st_mode & 0o077 or found.st_uid != os.geteuid():
        raise Misconfigured(
            "SR-APP-003",
            f"{setting} {path} is open to other users",
            why=f"its mode is {found.st_mode & 0o777:04o} and it belongs to uid {found.st_uid}",
            fix=f"chmod 700 {path}, owned by the user of the daemon",
            where=setting,
        )
    return path


def make_socket_parent(socket: Path) -> None:
    """The directory of the API socket, mode 0700 when it is made here. Raises ``Misconfigured``."""
    try:
        socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(socket.parent, "socket", error) from error


def make_log_parent(file: Path) -> None:
    """The directory of the audit log, mode 0750 when it is made here. Raises ``Misconfigured``."""
    try:
        file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(file.parent, "audit.file", error) from error


def make_directories(path: Path) -> None:
    """Make ``path`` and what is missing above it, each with mode 0700. Raises ``OSError``."""
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def _check_text(path: Path, setting: str) -> None:
    """Raises ``Misconfigured`` for a path that is not UTF-8: it is told to plugins, whose messages carry text only."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise Misconfigured(
            "SR-APP-008",
            f"{setting} {shown} cannot be used",
            why="the path is not UTF-8, and plugins are told it as text",
            fix=f"choose a path in UTF-8: --set {setting}=PATH, or {setting} in strongroom.yaml",
            where=setting,
        ) from None


def _unusable(path: Path, setting: str, error: OSError) -> Misconfigured:
    example = "PATH" if setting == "socket" else "DIR"
    return Misconfigured(
        "SR-APP-002",
        f"{setting} {path} cannot be used",
        why=error.strerror or type(error).__name__,
        fix=f"choose a place that this user may make: --set {setting}={example}, or {setting} in strongroom.yaml",
        where=setting,
    )
