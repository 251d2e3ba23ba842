"""A daemon whose state is on a disk of a few megabytes, which nobody needs to be root for.

``unshare -rm python -m tests.faults.small_disk DIRECTORY SIZE PROGRAM...`` mounts one there and starts the program.
What is on it is seen from outside below ``/proc/PID/root``, with the id of this process: the daemon hides its own. The
disk goes with this process, so the database is looked through before that.
"""

import ctypes
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.program import PROGRAM

__all__ = ["SmallDisk"]

ROOT = Path(__file__).resolve().parents[2]
PR_SET_PDEATHSIG = 1
CHUNK_BYTES = 1 << 16
DAMAGED = 99
"""How it ends when the program ended well and its database is not sound."""
MANIFEST = "version: 1\nplugins: []\n"


class SmallDisk(LiveDaemon):
    """A daemon on a disk of ``size`` below ``directory``, and something to fill that disk with."""

    @classmethod
    def on(cls, directory, size):
        """Not started yet. Skips the test where no disk can be mounted."""
        unshare = shutil.which("unshare")
        tried = [str(unshare), "-rm", "mount", "-t", "tmpfs", "tmpfs", str(directory)]
        if unshare is None or subprocess.run(tried, capture_output=True, check=False).returncode:
            pytest.skip("no disk can be mounted here: unshare -rm is refused")
        manifest = directory / "none.yaml"
        manifest.write_text(MANIFEST)
        state = directory / "disk"
        state.mkdir(mode=0o700)
        program = (unshare, "-rm", sys.executable, "-m", "tests.faults.small_disk", str(state), size, *PROGRAM)
        options = ("--plugins-file", str(manifest), "--log-level", "error")
        return cls(state, options, variables={"PYTHONPATH": str(ROOT)}, program=program)

    @property
    def seen(self):
        """The disk, from outside."""
        return Path(f"/proc/{self.process.pid}/root{self.state}")

    @property
    def socket(self):
        return self.seen / "strongroom.sock"

    @property
    def admin_socket(self):
        return self.seen / "admin.sock"

    def fill(self):
        """Take every byte that is left. Returns how many."""
        ballast = os.open(self.seen / "ballast", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        taken, size = 0, CHUNK_BYTES
        try:
            while size:
                try:
                    taken += os.write(ballast, bytes(size))
                except OSError:
                    size //= 2
        finally:
            os.close(ballast)
        return taken

    def free(self):
        """Give all of it back."""
        (self.seen / "ballast").unlink()


def main(directory, size, *program):
    """Mount the disk, then be the parent of the program: signals go on to it, and it ends with this process."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", directory], check=True)  # noqa: S607 - the mount of the system
    os.chdir(directory)
    libc = ctypes.CDLL(None)
    child = subprocess.Popen(program, preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    signal.signal(signal.SIGTERM, lambda number, _frame: child.send_signal(number))
    status = child.wait()
    with closing(sqlite3.connect(Path(directory, "strongroom.db"))) as database:
        sound = database.execute("pragma integrity_check").fetchall() == [("ok",)]
    return status if sound else DAMAGED


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
