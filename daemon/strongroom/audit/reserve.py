"""Room on the disk that is kept for records: given up when the disk is full, so that this can be written down."""

import os
from pathlib import Path

from strongroom.audit.append_file import Disk

__all__ = ["Reserve"]


class Reserve:
    """A file of ``size`` bytes that holds nothing. With size 0 there is none."""

    def __init__(self, path: Path, size: int, disk: Disk) -> None:
        self._path = path
        self._size = size
        self._disk = disk
        self.is_held = False

    @property
    def is_missing(self) -> bool:
        """Whether there should be one, and is not."""
        return self._size > 0 and not self.is_held

    def hold(self) -> bool:
        """Take the room, unless it is held; whether it is."""
        if self._size == 0 or self.is_held:
            return self.is_held
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                self._disk.allocate(descriptor, self._size)
                self.is_held = True
            finally:
                os.close(descriptor)
        except OSError:
            # No room for the reserve: it must not take what little is left.
            self.release()
        return self.is_held

    def release(self) -> bool:
        """Give the room up; whether there was any."""
        was_held, self.is_held = self.is_held, False
        try:
            self._path.unlink()
        except OSError:
            return False
        return was_held
