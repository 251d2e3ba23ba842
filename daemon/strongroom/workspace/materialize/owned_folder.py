"""A folder whose files we write and delete, and in which other people's files are safe from us.

Rule 1: every step goes through a descriptor of the folder itself, and no link is followed, neither to a folder nor to a
file: what was checked is what is used.
Rule 2: a file is ours if it begins with our mark. Only such a file is replaced or deleted.
Rule 3: a file is written beside its place and takes it in one step, so a reader finds the old text or the new one.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from strongroom.storage.plain_view import not_ours

__all__ = ["OwnedFolder"]

_TEMPORARY: Final = ".strongroom-"
_READING: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class OwnedFolder:
    """An open folder. Names are single segments that the caller made safe; they are checked again here."""

    def __init__(self, path: Path, descriptor: int, *, mark: bytes) -> None:
        """Use ``open`` or ``inner``."""
        self.path = path
        self._descriptor = descriptor
        self._mark = mark

    @classmethod
    def open(cls, path: Path, *, mark: bytes) -> "OwnedFolder":
        """The folder at ``path``, made with mode 0700 where it is not there. Raises ``Misconfigured`` for a link."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return cls(path, os.open(path, _FOLDER), mark=mark)
        except OSError:
            raise not_ours(path) from None

    @contextmanager
    def inner(self, name: str, *, create: bool = True) -> Iterator["OwnedFolder | None"]:
        """The folder ``name`` in this one, or ``None`` where it is not there, is a link, or is none."""
        _check(name)
        if create:
            with suppress(FileExistsError):  # whether it is a folder is seen next
                os.mkdir(name, 0o700, dir_fd=self._descriptor)
        try:
            descriptor = os.open(name, _FOLDER, dir_fd=self._descriptor)
        except OSError:
            yield None
            return
        try:
            yield OwnedFolder(self.path / name, descriptor, mark=self._mark)
        finally:
            os.close(descriptor)

    def write(self, name: str, text: bytes) -> bool:
        """Have ``text`` in the file ``name``. ``False`` where something stands there that is not ours."""
        _check(name)
        found = self._content(name, len(text) + 1)
        if found == text:
            return True
        if found is None or (found != b"" and not found.startswith(self._mark)):
            return False
        temporary = f"{_TEMPORARY}{name}"
        self._unlink(temporary)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o600, dir_fd=self._descriptor)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)
            os.replace(temporary, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except BaseException:
            self._unlink(temporary)
            raise
        return True

    def delete(self, name: str) -> bool:
        """Delete the file ``name`` if it is there and ours. Returns whether it is gone."""
        _check(name)
        found = self._content(name, len(self._mark))
        if found is None:
            return False
        if found.startswith(self._mark):
            self._unlink(name)
        return found == b"" or found.startswith(self._mark)

    def sweep(self, wanted: set[str]) -> bool:
        """Delete our files that are not ``wanted``, and what a killed process left. Returns whether any was there."""
        found = False
        for name in self.names():
            if name.startswith(_TEMPORARY):
                self._unlink(name)
                found = True
            elif name not in wanted:
                found = self.delete(name) or found
        return found

    def names(self) -> list[str]:
        """What is in it, sorted."""
        return sorted(os.listdir(self._descriptor))  # noqa: PTH208 - a path has no descriptor to list

    def remove_inner(self, name: str) -> None:
        """Remove the folder ``name`` if it is empty, and leave it otherwise."""
        _check(name)
        try:
            os.rmdir(name, dir_fd=self._descriptor)
        except OSError:
            return

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)

    def _content(self, name: str, bytes_max: int) -> bytes | None:
        """The file's first bytes, empty where there is none, ``None`` where something else than a file stands there."""
        try:
            descriptor = os.open(name, _READING, dir_fd=self._descriptor)
        except FileNotFoundError:
            return b""
        except OSError:
            return None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            with os.fdopen(os.dup(descriptor), "rb") as file:
                # An empty file of somebody else is told from none by a byte that no mark begins with.
                return file.read(bytes_max) or b"\0"
        finally:
            os.close(descriptor)

    def _unlink(self, name: str) -> None:
        try:
            os.unlink(name, dir_fd=self._descriptor)
        except FileNotFoundError:
            return


def _check(name: str) -> None:
    if not name or name in {".", ".."} or "/" in name or "\0" in name:
        raise ValueError("not one segment of a path")
