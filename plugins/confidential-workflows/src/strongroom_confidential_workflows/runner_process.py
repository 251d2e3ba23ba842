"""One enclave runner as the plugin sees it: a process and the other end of its socket.

It is started from nothing (no fork of this process, no environment, no arguments but a descriptor's number), serves one
execution, and is killed when that is over, whatever it says.
"""

import contextlib
import os
import socket
import subprocess
import sys
from typing import Final

from google.protobuf.message import DecodeError

from strongroom.guest.frames import Frames
from strongroom.plugin import Unavailable
from strongroom.plugin.messages import enclave_pb2
from strongroom_confidential_workflows.limits import FRAME_BYTES_MAX

__all__ = ["RunnerProcess"]

MODULE: Final = "strongroom_confidential_workflows.enclave"
STDERR_BYTES_MAX: Final = 2_000
_REAP_S: Final = 5.0
STALL_S: Final = 10.0
"""A thread of a sound runner does nothing but read; one that reads nothing for this long must not hold the plugin."""


class RunnerProcess:
    """A started runner. Start it from a thread that outlives it: the kernel kills it when that thread ends."""

    def __init__(self, module: str = MODULE) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", module, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                env={"LC_ALL": "C.UTF-8"},
                cwd="/",
            )
        self.frames = Frames(ours, frame_bytes_max=FRAME_BYTES_MAX, stall_s=STALL_S)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def wait_ready(self, timeout_s: float) -> enclave_pb2.Ready:
        """The runner's account of its sandbox. Raises ``Unavailable`` with the reason when it does not come."""
        try:
            data = self.frames.receive(timeout_s)
            message = enclave_pb2.FromEnclave.FromString(data) if data is not None else None
        except (DecodeError, OSError):
            message = None
        if message is not None and message.WhichOneof("message") == "ready":
            return message.ready
        why = f"it {self.end()}: {self._last_words()}" if self.frames.ended else "it did not become ready in time"
        self.kill()
        raise Unavailable("SR-ENCL-010", "no enclave runner could be started", why=why, fix="see the plugin's log")

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def cancel(self, reason: str) -> None:
        """Ask the runner to stop what it does; it answers with an outcome, or ends when it was idle."""
        message = enclave_pb2.ToEnclave(cancel=enclave_pb2.Cancel(reason=reason))
        with contextlib.suppress(OSError):
            self.frames.send(message.SerializeToString())

    def wait(self, timeout_s: float) -> None:
        """Wait until the process is gone, or the time is up."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)

    def kill(self) -> None:
        """End the process now and wait until it is gone."""
        if self._process.poll() is None:
            self._process.kill()
        self.wait(_REAP_S)

    def close(self) -> None:
        """Kill, and let go of socket and pipe."""
        self.kill()
        self.frames.close()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def end(self) -> str:
        """How the process ended, for an error."""
        self.wait(_REAP_S)
        if (code := self._process.poll()) is None:
            return "hangs"
        return f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"

    def _last_words(self) -> str:
        """What it printed. Before it is ready a runner knows nothing secret; afterwards it cannot print."""
        pipe = self._process.stderr
        if pipe is None:
            return ""
        os.set_blocking(pipe.fileno(), False)
        text = (pipe.read(STDERR_BYTES_MAX * 10) or b"").decode("utf-8", "replace").strip()
        return text[-STDERR_BYTES_MAX:] or "it printed nothing"
