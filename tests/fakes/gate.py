"""A capability that answers when a test says so, and the test's end of it.

As a plugin process, each call of ``Wait`` knocks at the socket of its configuration, and is answered when that
connection ends.
"""

import queue
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import wrappers_pb2

from strongroom.plugin import Call, Capability, hookimpl

GATE = "gate@1.0.0"
KNOCK_S = 60


class Gate:
    """The test's end. While it is shut, ``knocked`` waits for a call; ``open`` answers that one and those to come."""

    def __init__(self, path: Path):
        self.path = path
        self._is_shut = False
        self._lock = threading.Lock()
        self._knocks: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._waiting: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(8)
        threading.Thread(target=self._take_all, name="gate", daemon=True).start()

    def _take_all(self) -> None:
        with suppress(OSError):
            while True:
                knock, _ = self._listener.accept()
                with self._lock:
                    if self._is_shut:
                        self._waiting.append(knock)
                        self._knocks.put(True)
                    else:
                        knock.close()

    def shut(self) -> None:
        """From now on calls wait."""
        self._knocks = queue.SimpleQueue()
        self._is_shut = True

    def knocked(self) -> bool:
        """Return when a guest stands in its call; false when there will be none."""
        return self._knocks.get(timeout=KNOCK_S)

    def nobody_comes(self) -> None:
        """Say that the run is over, so that nobody waits for its call."""
        self._knocks.put(False)

    def open(self) -> None:
        """Answer whoever waits, and from now on everybody."""
        with self._lock:
            self._is_shut = False
            while self._waiting:
                self._waiting.pop().close()

    def close(self) -> None:
        """Open it for good."""
        self.open()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@dataclass(slots=True, kw_only=True)
class GatePlugin:
    """The plugin. With nobody at the socket a call is answered at once."""

    path: str

    @hookimpl
    def capabilities(self) -> list[Capability]:
        return [Capability(id=GATE, description="waits for a test", methods={"Wait": self.wait})]

    def wait(self, call: Call) -> wrappers_pb2.StringValue:
        said = call.unpack(wrappers_pb2.StringValue)
        with socket.socket(socket.AF_UNIX) as knocking, suppress(OSError):
            knocking.connect(self.path)
            knocking.recv(1)
        return said


if __name__ == "__main__":
    from strongroom.plugin.serve import serve

    serve(GatePlugin)
