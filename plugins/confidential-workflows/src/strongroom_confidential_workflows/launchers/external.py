"""Launcher ``external``: runners that somebody else starts, for example inside of a confidential virtual machine.

Each runner is one connection. What listens there starts a fresh runner for it and configures it from its own file; this
end configures nothing and believes nothing. What it can end is the connection, and with that the runner.
"""

import contextlib
import socket
import time
from typing import Final

from strongroom.guest.frames import Frames
from strongroom.plugin import Unavailable
from strongroom_confidential_workflows.launchers.address import Address, prepare
from strongroom_confidential_workflows.launchers.runner import STALL_S, is_hung_up, receive_ready
from strongroom_confidential_workflows.limits import FRAME_BYTES_MAX
from strongroom_confidential_workflows.messages import Cancel, Ready, encode

__all__ = ["NAME", "ExternalRunner", "ExternalStarter"]

NAME: Final = "external"
CONNECT_S: Final = 5.0


class ExternalRunner:
    """The connection to one."""

    pid = 0
    is_lost = False

    def __init__(self, address: Address) -> None:
        """Connect. Raises ``Unavailable`` when nothing listens there."""
        self._address = address
        self.started_s = time.monotonic()
        try:
            self._connection = address.connect(CONNECT_S)
        except OSError as error:
            raise Unavailable(
                "SR-ENCL-022",
                f"no enclave runner answers at {address.text}",
                why=error.strerror or str(error) or type(error).__name__,
                fix="start it there (python -m strongroom_confidential_workflows.enclave --listen), or set "
                "external_address to where it is",
            ) from error
        prepare(self._connection)
        self.frames = Frames(self._connection, frame_bytes_max=FRAME_BYTES_MAX, stall_s=STALL_S)

    def wait_ready(self, timeout_s: float) -> Ready:
        """The runner's account of its sandbox, which nothing here can check. Raises ``Unavailable``."""
        if (ready := receive_ready(self.frames, timeout_s)) is not None:
            return ready
        why = "it closed the connection" if self.frames.ended else "it did not become ready in time"
        self.kill()
        raise Unavailable(
            "SR-ENCL-023",
            f"the enclave runner at {self._address.text} did not start",
            why=why,
            fix="see the log there; runners_max there bounds how many run at once",
        )

    def is_alive(self) -> bool:
        """Whether the connection still stands."""
        return not is_hung_up(self._connection, 0)

    def cancel(self, reason: str) -> None:
        """Ask the runner to stop what it does."""
        with contextlib.suppress(OSError):
            self.frames.send(encode(Cancel(reason=reason)))

    def wait(self, timeout_s: float) -> None:
        """Wait until it has closed the connection, or the time is up."""
        is_hung_up(self._connection, timeout_s)

    def kill(self) -> None:
        """Hang up: the runner ends then, and what started it there sees to that."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up, and let go of the socket."""
        self.kill()
        self.frames.close()

    def end(self) -> str:
        """All that can be known of its end from here."""
        return "closed the connection"


class ExternalStarter:
    """Connects to them."""

    name = NAME
    statement = "protects as the machine does that the runner is on; this one sees sealed secrets only"
    protections: tuple[str, ...] = ()

    def __init__(self, address: Address) -> None:
        """Nothing is connected yet."""
        self._address = address

    def start(self) -> ExternalRunner:
        """See ``Starter``."""
        return ExternalRunner(self._address)
