"""The file of an audit log that grows: appended to, synced, and cut back to what is synced when that fails.

Rule 1: what ``append`` returned from is on the disk; what it raised for is not in the file.
Rule 2: after a failed write the file is cut back before anything else is written: what the kernel says about pages
that it could not write is not to be relied upon, so they are written again.
"""

import fcntl
import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from strongroom.audit.log_place import sync_names
from strongroom.errors import Misconfigured

__all__ = ["AppendFile", "Disk"]

READ_BYTES: Final = 1 << 20


class Disk:
    """What is asked of the system to write. Tests put one in its place that is full, or fails."""

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """As ``os.write``."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """As ``os.fdatasync``."""
        os.fdatasync(descriptor)

    def allocate(self, descriptor: int, size: int) -> None:
        """As ``os.posix_fallocate`` from the beginning."""
        os.posix_fallocate(descriptor, 0, size)


class AppendFile:
    """One open file. For one thread."""

    def __init__(self, path: Path, *, mode: int, disk: Disk) -> None:
        """Open or make the file, and be the only one who appends. Raises ``Misconfigured``."""
        self.path = path
        self._disk = disk
        self._dirty = False
        try:
            is_new = not path.exists()
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, mode)
        except OSError as error:
            raise _unusable(path, error.strerror or type(error).__name__) from error
        try:
            self._hold()
            if is_new:
                # Whoever may read it was said when it was made; the umask must not say otherwise.
                os.fchmod(self._descriptor, mode)
                sync_names(path.parent)
            self.size = os.fstat(self._descriptor).st_size
            self.digest = self._digest_of_all()
        except BaseException:
            self.close()
            raise

    def append(self, data: bytes) -> None:
        """Append and sync. Raises ``OSError``; the file is then as before, or is made so by the next call."""
        if self._dirty:
            os.ftruncate(self._descriptor, self.size)
            self._dirty = False
        self._dirty = True
        left = memoryview(data)
        while left:
            left = left[self._disk.write(self._descriptor, left) :]
        self._disk.sync(self._descriptor)
        self._dirty = False
        self.size += len(data)
        self.digest.update(data)

    def cut_back(self) -> None:
        """Take out what a failed ``append`` has left. Raises ``OSError``."""
        if self._dirty:
            os.ftruncate(self._descriptor, self.size)
            self._dirty = False

    def shorten(self, size: int) -> bytes:
        """Cut the file to ``size`` bytes; what was behind it."""
        tail = os.pread(self._descriptor, self.size - size, size)
        os.ftruncate(self._descriptor, size)
        os.fsync(self._descriptor)
        self.size = size
        self.digest = self._digest_of_all()
        return tail

    def read(self) -> bytes:
        """All of it. It is as large as one file of a log may become."""
        return os.pread(self._descriptor, self.size, 0) if self.size else b""

    def is_in_place(self) -> bool:
        """Whether the file still has its name, and is as long as it was left."""
        try:
            named, held = self.path.lstat(), os.fstat(self._descriptor)
        except OSError:
            return False
        return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino) and held.st_size >= self.size

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)

    def _hold(self) -> None:
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            raise _unusable(self.path, "it is no regular file")
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Misconfigured(
                "SR-AUDIT-005",
                f"the audit log {self.path} is written by another host",
                why="two hosts in one log would break its chain",
                fix="give each host a file of its own: audit.file",
                where="audit.file",
            ) from None

    def _digest_of_all(self) -> "hashlib._Hash":
        digest, place = hashlib.sha256(), 0
        while place < self.size and (part := os.pread(self._descriptor, READ_BYTES, place)):
            digest.update(part)
            place += len(part)
        return digest


def _unusable(path: Path, why: str) -> Misconfigured:
    return Misconfigured(
        "SR-AUDIT-004",
        f"the audit log {path} cannot be opened",
        why=why,
        fix="name a file in a directory that the user of the host may write: audit.file",
        where="audit.file",
    )
