"""A pinned program: hashed through a descriptor, started through the same descriptor, and looked at again after that.

Rule 1: what is started is the opened file, so whoever puts another in its place changes nothing.
Rule 2: who else could write into that file while it is hashed is refused beforehand. While a native program runs, the
kernel lets nobody write into it; so what has the right hash then had it when it started.
Rule 3: of a script the hash covers the file itself, not the interpreter that its first line names, nor what it loads.
"""

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from strongroom.errors import PluginFault
from strongroom.registry.pinned_files import refused

__all__ = ["PROGRAM_BYTES_MAX", "PinnedProgram", "is_script", "program_sha256"]

# Statically linked plugins have tens of megabytes.
PROGRAM_BYTES_MAX: Final = 1_000_000_000
PART_BYTES: Final = 1_048_576


class PinnedProgram:
    """An opened program whose hash was right. Close it once it was confirmed, or was not started."""

    def __init__(self, program: Path, sha256: str) -> None:
        """Raises ``PluginFault`` when it is not the one with that hash, or others could change it."""
        self._program = program
        self._sha256 = sha256
        self.descriptor = _opened(program)
        try:
            self._state = _state(self.descriptor)
            found = _digest(program, self.descriptor)
            if found != sha256:
                raise refused("SR-PIN-020", f"{program} is not the pinned program", expected=sha256, found=found)
        except BaseException:
            self.close()
            raise

    def confirm(self) -> None:
        """Raise ``PluginFault`` if the file was changed or replaced since it was opened. It has been started by now."""
        if _digest(self._program, self.descriptor) != self._sha256:
            raise _changed(self._program, "it has another content")
        there = self._program.stat() if self._program.exists() else None
        opened = os.fstat(self.descriptor)
        if there is None or (there.st_dev, there.st_ino) != (opened.st_dev, opened.st_ino):
            raise _changed(self._program, "another file is in its place")
        if _state(self.descriptor) != self._state:
            raise _changed(self._program, "it was written to")

    def close(self) -> None:
        """Let go of the file. A second call does nothing."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def program_sha256(program: Path) -> str:
    """The SHA-256 that pins it. Raises ``PluginFault`` for what cannot be pinned."""
    descriptor = _opened(program)
    try:
        return _digest(program, descriptor)
    finally:
        os.close(descriptor)


def is_script(program: Path) -> bool:
    """Whether its first line names an interpreter, which its hash does not cover."""
    try:
        with program.open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def _opened(program: Path) -> int:
    try:
        descriptor = os.open(program, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        why = error.strerror or str(error)
        raise _cannot_pin(program, why, "let this host's user read it") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _cannot_pin(program, "it is not a file", "name a program")
        if status.st_uid not in {0, os.geteuid()}:
            why = f"it belongs to user {status.st_uid}, who can change it at any moment"
            raise _cannot_pin(program, why, f"chown root {program}")
        if status.st_mode & 0o022:
            why = f"others can write into it (mode {stat.S_IMODE(status.st_mode):04o})"
            raise _cannot_pin(program, why, f"chmod go-w {program}")
        if status.st_size > PROGRAM_BYTES_MAX:
            why = f"it has {status.st_size} bytes, the limit is {PROGRAM_BYTES_MAX}"
            raise _cannot_pin(program, why, "remove the pin")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _digest(program: Path, descriptor: int) -> str:
    digest, at = hashlib.sha256(), 0
    try:
        while part := os.pread(descriptor, PART_BYTES, at):
            digest.update(part)
            at += len(part)
            if at > PROGRAM_BYTES_MAX:
                raise _changed(program, "it grows")
    except OSError as error:
        why = error.strerror or str(error)
        raise _cannot_pin(program, why, "look at the disk") from error
    return digest.hexdigest()


def _state(descriptor: int) -> tuple[int, int, int]:
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _cannot_pin(program: Path, why: str, fix: str) -> PluginFault:
    return refused("SR-PIN-021", f"{program} cannot be pinned", why=why, fix=fix)


def _changed(program: Path, why: str) -> PluginFault:
    return refused("SR-PIN-022", f"{program} was changed while it started", why=why, fix="find out who did; try again")
