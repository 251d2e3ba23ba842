"""Places for verified code that have no name: nobody can change code between its check and its use.

A place is a file without a name in an empty directory, so that idle code is on disk and what is used lies once in the
page cache, however many processes map it. Where the file system has no such files, cannot execute what is mapped from
them, or is full, it is sealed memory instead, of which only a little is kept.
"""

import contextlib
import fcntl
import os
from collections import OrderedDict
from pathlib import Path
from typing import Final

__all__ = ["AnonymousCode", "Place"]

FILES_MAX: Final = 128
FILE_BYTES_MAX: Final = 2_000_000_000
"""Disk for files without a name; the least recently used ones go first, and disappear with their last user."""

MEMORY_ENTRIES_MAX: Final = 8
"""Modules kept in sealed memory; each is as large as its native code, tens of MB for a Go guest."""

_SEALS: Final = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class Place:
    """Code that is being written, by ``write``; ``seal`` makes it a read-only descriptor."""

    def __init__(self, directory: int | None) -> None:
        self._directory = directory
        self._descriptor = -1
        self.in_memory = True
        if directory is not None:
            with contextlib.suppress(OSError):
                self._descriptor = _nameless(directory)
                self.in_memory = False
        if self.in_memory:
            self._descriptor = os.memfd_create("strongroom-module", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append. A disk that is full makes it memory."""
        view = memoryview(data)
        while view:
            try:
                written = os.write(self._descriptor, view)
            except OSError:
                if self.in_memory:
                    raise
                self._move_to_memory()
                continue
            self.size += written
            view = view[written:]

    def seal(self) -> int:
        """A descriptor that can only be read, which the caller closes. This place is gone."""
        if self.in_memory:
            fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, _SEALS)
        try:
            return reopen(self._descriptor)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of it, unless ``seal`` did."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _move_to_memory(self) -> None:
        memory = Place(None)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        while piece := os.read(self._descriptor, 1 << 20):
            memory.write(piece)
        self.close()
        self._descriptor, self.in_memory, self.size = memory._descriptor, True, memory.size


class AnonymousCode:
    """Descriptors of verified code by key, the most recently used ones. The caller holds a lock.

    ``directory`` is made when it is missing and must stay empty; without one everything is memory.
    """

    def __init__(self, directory: Path | None, *, memory_entries_max: int = MEMORY_ENTRIES_MAX) -> None:
        self._kept: OrderedDict[str, tuple[int, int, bool]] = OrderedDict()  # descriptor, size, in memory
        self._memory_entries_max = memory_entries_max
        self.directory = None if directory is None else _usable(directory)
        """A descriptor of the empty directory, below which runners may read; nothing where memory is used."""

    def place(self) -> Place:
        """Where to write code to."""
        return Place(self.directory)

    def keep(self, key: str, place: Place) -> int:
        """Keep what was written under ``key``; a descriptor of it, which the caller closes."""
        size, in_memory = place.size, place.in_memory
        sealed = place.seal()
        self.drop(key)
        self._kept[key] = (sealed, size, in_memory)
        while self._is_too_much():
            self._drop_oldest()
        return reopen(sealed)

    def get(self, key: str) -> int | None:
        """A descriptor of what is kept, which the caller closes."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return reopen(self._kept[key][0])

    def drop(self, key: str) -> None:
        """Forget ``key``."""
        if key in self._kept:
            os.close(self._kept.pop(key)[0])

    def close(self) -> None:
        """Let go of everything."""
        for key in list(self._kept):
            self.drop(key)
        if self.directory is not None:
            os.close(self.directory)
            self.directory = None

    def _is_too_much(self) -> bool:
        files = [size for _descriptor, size, in_memory in self._kept.values() if not in_memory]
        return len(self._kept) > 1 and (
            self._in_memory() > self._memory_entries_max or len(files) > FILES_MAX or sum(files) > FILE_BYTES_MAX
        )

    def _drop_oldest(self) -> None:
        of_memory = self._in_memory() > self._memory_entries_max
        self.drop(next(key for key, (_descriptor, _size, in_memory) in self._kept.items() if in_memory >= of_memory))

    def _in_memory(self) -> int:
        return sum(in_memory for _descriptor, _size, in_memory in self._kept.values())


def reopen(descriptor: int) -> int:
    """The same thing once more, to be read only."""
    return os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)


def _nameless(directory: int) -> int:
    """A new file without a name. Runners of another user may read it, who can reach it by its descriptor alone."""
    descriptor = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o400, dir_fd=directory)
    try:
        os.fchmod(descriptor, 0o444)  # whatever the umask is
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _usable(directory: Path) -> int | None:
    """A descriptor of ``directory``, made if it is missing, if files without a name in it can be mapped as code."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if os.fstatvfs(descriptor).f_flag & os.ST_NOEXEC or any(directory.iterdir()):
            raise PermissionError(directory)
        os.close(_nameless(descriptor))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
