"""One runner process, seen from the host: started, told what to do, listened to, killed.

Nothing that it sends is trusted: a guest that broke out of the engine speaks with its voice.
"""

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import time
from typing import Final

from google.protobuf.message import DecodeError

from strongroom.errors import StrongroomError, Unavailable
from strongroom.guest.frames import Frames
from strongroom.guest.loaded_modules import LoadedModules
from strongroom.pb.strongroom.runner.v1 import runner_pb2

__all__ = ["RunnerDeathError", "RunnerProcess"]

READY_S: Final = 20.0
"""A start takes a tenth of a second; a machine that needs this long is not going to run guests."""

STDERR_BYTES_MAX: Final = 1 << 16
"""What a dying runner can say. It writes into memory that cannot grow."""

STALL_S: Final = 10.0
"""A sound runner reads within a tick, also while its guest computes; one that reads nothing for this long is not."""

CONTROL_BYTES_MAX: Final = 1 << 20
"""Size of a frame outside a run: Ready, and nothing else."""


class RunnerDeathError(Exception):
    """The process ended, or said something that no sound runner says. The text says which."""


class RunnerProcess:
    """A process that executes guests. It is killed when the thread that made this object ends.

    ``code_directory`` is a descriptor of the directory in which files of code lie that it gets descriptors of.
    """

    def __init__(self, code_directory: int | None = None) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._stderr = _bounded_memory()
        passed = (theirs.fileno(), *(() if code_directory is None else (code_directory,)))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", "strongroom.guest.runner", *map(str, passed)],
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
            ours.close()
            os.close(self._stderr)
            raise
        finally:
            theirs.close()
        self.frames = Frames(ours, frame_bytes_max=CONTROL_BYTES_MAX, stall_s=STALL_S)
        self.ready = runner_pb2.Ready()
        self.owner = ""
        """Whom it serves until it is recycled; empty while it is fresh."""
        self.owned_s = 0.0
        """Since when, on the monotonic clock."""
        self.runs = 0
        """Runs it was chosen for."""
        self.modules = LoadedModules()
        """What it has loaded, counted the way it counts itself."""

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def wait_ready(self) -> None:
        """Return when the sandbox is up. Raises ``Unavailable`` when it does not come up."""
        try:
            message = self.receive(time.monotonic() + READY_S)
            if message is None or message.WhichOneof("message") != "ready":
                raise RunnerDeathError("it did not say that it is ready")
        except RunnerDeathError as problem:
            self.kill()
            raise Unavailable(
                "SR-GUEST-020",
                "a runner did not start",
                why=f"{problem}; {self.last_words() or 'it said nothing'}",
                fix="run `strongroom status` and see which protections this machine offers",
            ) from None
        self.ready = message.ready

    def receive(self, deadline_s: float) -> runner_pb2.FromRunner | None:
        """The next message, or ``None`` when it is ``deadline_s``. Raises ``RunnerDeathError``."""
        try:
            data = self.frames.receive(max(0.0, deadline_s - time.monotonic()))
            if data is None and self.frames.ended:
                raise RunnerDeathError(self._how_it_ended())
            return None if data is None else runner_pb2.FromRunner.FromString(data)
        except (DecodeError, StrongroomError, OSError) as problem:
            raise RunnerDeathError(f"it sent what is no message: {problem}") from None

    def send(self, message: runner_pb2.ToRunner, *, descriptor: int | None = None) -> None:
        """Raises ``RunnerDeathError``."""
        try:
            self.frames.send(message.SerializeToString(), descriptor=descriptor)
        except TimeoutError:
            self.kill()
            raise RunnerDeathError("it did not read what it was sent") from None
        except OSError:
            raise RunnerDeathError(self._how_it_ended()) from None

    def is_alive(self) -> bool:
        """True while the process runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it now, without asking. Safe from any thread, and more than once."""
        self._process.kill()

    def bury(self) -> None:
        """Kill, wait, close. Only the thread that reads may do this."""
        self.kill()
        self._process.wait()
        self.frames.close()
        with contextlib.suppress(OSError):
            os.close(self._stderr)

    def last_words(self) -> str:
        """The end of what the process wrote to its standard error. A guest cannot write there."""
        with contextlib.suppress(OSError):
            written = os.pread(self._stderr, STDERR_BYTES_MAX, 0).rstrip(b"\0")
            return written[-2_000:].decode(errors="replace").strip()
        return ""

    def _how_it_ended(self) -> str:
        try:
            status = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return "it closed its socket"
        return f"it was killed by signal {-status}" if status < 0 else f"it exited with status {status}"


def _bounded_memory() -> int:
    descriptor = os.memfd_create("strongroom-runner-stderr", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, STDERR_BYTES_MAX)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    return descriptor
