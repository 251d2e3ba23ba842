"""A runner that is a child of this process. The kernel kills it when the thread that started it ends."""

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["ENCLAVE", "GUESTS", "Child", "own_child"]

GUESTS: Final = "strongroom.guest.runner"
ENCLAVE: Final = "strongroom_confidential_workflows.enclave"
"""The programs that runners are. Nobody else names one."""

STDERR_BYTES_MAX: Final = 1 << 16
"""What a dying runner can say. It writes into memory that cannot grow."""

NICE: Final = 5
"""A guest that computes without end leaves processors to the host, of whose weight it has a third."""

LAST_WORDS_BYTES: Final = 2_000
"""What of it is shown: the end of a traceback."""


class Child:
    """``python -I -m PROGRAM FD [DIRECTORY]``, with nothing of this process but those two descriptors.

    Raises ``OSError``.
    """

    is_lost = False

    def __init__(self, program: str, code_directory: int | None = None) -> None:
        self._connection: socket.socket | None
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._stderr = _bounded_memory()
        passed = (theirs.fileno(), *(() if code_directory is None else (code_directory,)))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", program, *map(str, passed)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                env={"LANG": "C.UTF-8"},
                cwd="/",
                close_fds=True,
                pass_fds=passed,
                start_new_session=True,
            )
        except OSError:
            self._connection.close()
            os.close(self._stderr)
            raise
        finally:
            theirs.close()
        _give_way(self._process.pid)

    @property
    def pid(self) -> int:
        """See ``Started``."""
        return self._process.pid

    def connection(self, timeout_s: float = 0.0) -> socket.socket:
        """See ``Started``; it is there at once."""
        del timeout_s
        connection, self._connection = self._connection, None
        if connection is None:
            raise ValueError("the connection of a runner is given out once")
        return connection

    def poll(self) -> int | None:
        """See ``Started``."""
        return self._process.poll()

    def wait(self, timeout_s: float | None = None) -> int | None:
        """See ``Started``."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """See ``Started``."""
        self._process.kill()

    def last_words(self) -> str:
        """See ``Started``."""
        with contextlib.suppress(OSError):
            written = os.pread(self._stderr, STDERR_BYTES_MAX, 0).rstrip(b"\0")
            return written[-LAST_WORDS_BYTES:].decode(errors="replace").strip()
        return ""

    def close(self) -> None:
        """See ``Started``."""
        if self._connection is not None:
            self._connection.close()
        with contextlib.suppress(OSError):
            os.close(self._stderr)


def own_child(code_directory: int | None) -> Child:
    """A runner of guests of this process, see ``Start``."""
    return Child(GUESTS, code_directory)


def _give_way(pid: int) -> None:
    """Put a process that has just begun behind this one, where that is allowed; in a unit its weight does so."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + NICE)
    # Where each session is a group of its own (sched(7), autogrouping), only the group's number counts among them.
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(NICE))


def _bounded_memory() -> int:
    descriptor = os.memfd_create("strongroom-runner-stderr", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, STDERR_BYTES_MAX)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    return descriptor
