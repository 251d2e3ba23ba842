"""A disk under a daemon that fails, or that forgets what was not synced, when the test says so."""

import mmap
import shutil
import struct
from pathlib import Path

from tests.faults.preloaded import preloaded

__all__ = ["BadDisk"]

SOURCE = Path(__file__).with_name("bad_disk.c")
CONTROL = struct.Struct("<iiii")
NEVER = -1


class BadDisk:
    """The preloaded library of one daemon and its switches. Only files of the database are touched."""

    def __init__(self, directory, *, shadow=False):
        self._library = preloaded(SOURCE)
        self._control = directory / "bad-disk-control"
        self._control.write_bytes(CONTROL.pack(NEVER, 0, 0, 0))
        with self._control.open("r+b") as file:
            self._mapped = mmap.mmap(file.fileno(), CONTROL.size)
        self.shadow = directory / "shadow" if shadow else None
        if self.shadow:
            self.shadow.mkdir()

    @property
    def variables(self):
        """What the daemon's environment needs."""
        shadow = {"BAD_DISK_SHADOW": str(self.shadow)} if self.shadow else {}
        return {
            "LD_PRELOAD": str(self._library),
            "BAD_DISK_CONTROL": str(self._control),
            "BAD_DISK_PATH": "strongroom.db",
            **shadow,
        }

    def fail(self, error, *, after=0, once=False):
        """Let ``after`` more operations succeed, then fail one, or all of them until ``heal``."""
        self._mapped[:] = CONTROL.pack(NEVER, error, int(once), self.failed)
        self._mapped[:4] = struct.pack("<i", after)

    def heal(self):
        """Everything succeeds again."""
        self._mapped[:4] = struct.pack("<i", NEVER)

    @property
    def failed(self):
        """How many operations have failed so far."""
        return CONTROL.unpack(self._mapped[:])[3]

    def lose_power(self, state):
        """Put back what the disk holds for sure. The daemon must be dead."""
        for file in state.glob("strongroom.db*"):
            file.unlink()
        for file in self.shadow.iterdir():
            # A copy that a kill cut off has the thread in its name and never became the file.
            if file.name.endswith(("db", "db-wal")):
                shutil.copy(file, state / file.name)
