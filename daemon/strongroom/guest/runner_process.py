"""One runner process, seen from the host: started, told what to do, listened to, killed.

Nothing that it sends is trusted: a guest that broke out of the engine speaks with its voice.
"""

import contextlib
import time
from typing import Final

from google.protobuf.message import DecodeError

from strongroom.errors import StrongroomError, Unavailable
from strongroom.guest.frames import Frames
from strongroom.guest.loaded_modules import LoadedModules
from strongroom.guest.starter.child import own_child
from strongroom.guest.starter.started import Start
from strongroom.pb.strongroom.runner.v1 import runner_pb2

__all__ = ["RunnerDeathError", "RunnerLostError", "RunnerProcess"]

READY_S: Final = 20.0
"""A start takes a tenth of a second; a machine that needs this long is not going to run guests."""

STALL_S: Final = 10.0
"""A sound runner reads within a tick, also while its guest computes; one that reads nothing for this long is not."""

END_S: Final = 1.0
"""How long a runner that has closed its socket may take to be gone."""

CONTROL_BYTES_MAX: Final = 1 << 20
"""Size of a frame outside a run: Ready, and nothing else."""


class RunnerDeathError(Exception):
    """The process ended, or said something that no sound runner says. The text says which."""


class RunnerLostError(RunnerDeathError):
    """It ended because the program that started it did: neither its fault nor that of its guest."""


class RunnerProcess:
    """A process that executes guests. It is killed when the thread that made this object ends.

    ``code_directory`` is a descriptor of the directory in which files of code lie that it gets descriptors of.
    ``start`` is who starts it. Raises ``OSError``, ``Unavailable``.
    """

    frames: Frames
    """What it says and hears, once it is ready."""

    def __init__(self, code_directory: int | None = None, *, start: Start = own_child) -> None:
        self._process = start(code_directory)
        self._open = contextlib.ExitStack()
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
        deadline_s = time.monotonic() + READY_S
        connection = self._process.connection(READY_S)
        self.frames = Frames(connection, frame_bytes_max=CONTROL_BYTES_MAX, stall_s=STALL_S)
        self._open.callback(self.frames.close)
        try:
            message = self.receive(deadline_s)
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
                raise self._ended()
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
            raise self._ended() from None

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
        self._open.close()
        self._process.close()

    def last_words(self) -> str:
        """The end of what the process wrote to its standard error. A guest cannot write there."""
        return self._process.last_words()

    def _ended(self) -> RunnerDeathError:
        status = self._process.wait(END_S)
        if status is not None:
            how = f"it was killed by signal {-status}" if status < 0 else f"it exited with status {status}"
            return RunnerDeathError(how)
        if self._process.is_lost:
            return RunnerLostError("it ended with the program that started it")
        return RunnerDeathError("it closed its socket")
