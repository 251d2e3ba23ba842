"""One enclave runner as the plugin sees it: a process and the other end of its socket.

It is started from nothing (no fork of this process, no environment, no arguments but a descriptor's number), serves one
execution, and is killed when that is over, whatever it says.
"""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Final

from strongroom.guest.frames import Frames
from strongroom.plugin import Unavailable
from strongroom_confidential_workflows.launchers.runner import STALL_S, is_hung_up, receive_ready
from strongroom_confidential_workflows.limits import FRAME_BYTES_MAX
from strongroom_confidential_workflows.messages import Cancel, Ready, encode

__all__ = ["RunnerProcess", "did_not_start"]

STDERR_BYTES_MAX: Final = 2_000
REAP_S: Final = 5.0


def did_not_start(why: str) -> Unavailable:
    """The error for a runner that ended before it was ready; ``why`` has its last words."""
    return Unavailable("SR-ENCL-010", "no enclave runner could be started", why=why, fix="see the plugin's log")


class RunnerProcess:
    """A started runner. Start it from a thread that outlives it: the kernel kills it when that thread ends.

    ``command`` makes the arguments from the number of the runner's descriptor, ``configuration`` is its first message,
    ``failure`` the error for one that does not become ready.
    """

    is_lost = False

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        configuration: bytes,
        *,
        failure: Callable[[str], Unavailable] = did_not_start,
    ) -> None:
        self._failure = failure
        self.started_s = time.monotonic()
        self._connection, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    command(theirs.fileno()),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    pass_fds=(theirs.fileno(),),
                    env={"LC_ALL": "C.UTF-8"},
                    cwd="/",
                )
            except BaseException:
                self._connection.close()
                raise
        self.frames = Frames(self._connection, frame_bytes_max=FRAME_BYTES_MAX, stall_s=STALL_S)
        with contextlib.suppress(OSError):  # one that is gone already says why when it is waited for
            self.frames.send(configuration)

    @property
    def pid(self) -> int:
        """Process id of what was started."""
        return self._process.pid

    def wait_ready(self, timeout_s: float) -> Ready:
        """The runner's account of its sandbox. Raises ``Unavailable`` with the reason when it does not come."""
        if (ready := receive_ready(self.frames, timeout_s)) is not None:
            return ready
        why = f"it {self.end()}: {self._last_words()}" if self.frames.ended else "it did not become ready in time"
        self.kill()
        raise self._failure(why)

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def cancel(self, reason: str) -> None:
        """Ask the runner to stop what it does; it answers with an outcome, or ends when it was idle."""
        with contextlib.suppress(OSError):
            self.frames.send(encode(Cancel(reason=reason)))

    def wait(self, timeout_s: float) -> None:
        """Wait until the process is gone, or the time is up."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)

    def kill(self) -> None:
        """End the process now and wait until it is gone, also where another one stands between it and us."""
        if self._process.poll() is None:
            self._process.kill()
        self.wait(REAP_S)
        is_hung_up(self._connection, REAP_S)

    def close(self) -> None:
        """Kill, and let go of socket and pipe."""
        self.kill()
        self.frames.close()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def end(self) -> str:
        """How the process ended, for an error."""
        self.wait(REAP_S)
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
