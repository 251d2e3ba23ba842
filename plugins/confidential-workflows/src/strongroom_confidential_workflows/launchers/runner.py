"""What a launcher hands out, and what it is itself: a seam that every way of starting a runner fits."""

import select
import socket
from typing import Final, Protocol

from strongroom.guest.frames import Frames
from strongroom.plugin import StrongroomError
from strongroom_confidential_workflows.messages import Ready, decode_from_enclave

__all__ = ["STALL_S", "STATEMENT", "Runner", "Starter", "is_hung_up", "receive_ready"]

STALL_S: Final = 10.0
"""A thread of a sound runner does nothing but read; one that reads nothing for this long must not hold the plugin."""
STATEMENT: Final = (
    "protects against bugs, neighbours on the machine and accidental leaks; not against the root user of the host"
)


class Runner(Protocol):
    """One enclave runner, which serves one execution. Every method may be called from any thread."""

    frames: Frames
    started_s: float
    """Monotonic seconds: what it was configured with is as old."""

    @property
    def pid(self) -> int:
        """Process id, as this machine counts; 0 for a runner on another one."""

    @property
    def is_lost(self) -> bool:
        """Whether it ended only because the program that started it did. The execution may be tried again."""

    def wait_ready(self, timeout_s: float) -> Ready:
        """What it says when it is sealed. Raises ``Unavailable`` with the reason when that does not come."""

    def is_alive(self) -> bool:
        """Whether it can still serve."""

    def cancel(self, reason: str) -> None:
        """Ask it to stop what it does; it answers with an outcome, or ends when it was idle."""

    def wait(self, timeout_s: float) -> None:
        """Wait until it is gone, or the time is up."""

    def kill(self) -> None:
        """End it now. Safe more than once."""

    def close(self) -> None:
        """Kill it, and let go of everything."""

    def end(self) -> str:
        """How it ended, for an error: ``the runner died: it {end}``."""


class Starter(Protocol):
    """One way to start runners. ``statement`` says from whom it protects; ``protections`` are those beside a runner's
    own. Start from a thread that outlives every runner: the kernel ends a process with the thread that started it."""

    name: str
    statement: str
    protections: tuple[str, ...]

    def start(self) -> Runner:
        """A fresh runner, which is not ready yet. Raises ``StrongroomError`` or ``OSError``."""


def receive_ready(frames: Frames, timeout_s: float) -> Ready | None:
    """The first message of a runner when it is the right one; ``frames.ended`` tells whether it has left."""
    try:
        data = frames.receive(timeout_s)
        message = decode_from_enclave(data) if data is not None else None
    except (StrongroomError, OSError):
        return None
    return message if isinstance(message, Ready) else None


def is_hung_up(connection: socket.socket, timeout_s: float) -> bool:
    """Whether the other end has closed, or does so within ``timeout_s``. Nothing is read."""
    if connection.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLRDHUP)
    return bool(poll.poll(timeout_s * 1000))
