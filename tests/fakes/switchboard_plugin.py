"""A plugin with a switch for each way to be a bad one: in a call, on the wire, or as soon as it is started.

``python switchboard_plugin.py FILE``: while FILE holds a word, a start goes wrong as the word says, once.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import wrappers_pb2

from strongroom.plugin import Call, Capability, hookimpl

CAPABILITY = "switchboard@1.0.0"
GARBAGE = bytes(range(256)) * 16
HEADER_OF_A_FRAME = b"\x00\x3f\xff\x00\x00\x00\x00\x00\x01"
"""HTTP/2 data of 16383 bytes, which then come one by one."""
HUGE_BYTES = 30_000_000
FOR_EVER_S = 600


def connections() -> Iterator[socket.socket]:
    """Every connected socket of this process."""
    for path in list(Path("/proc/self/fd").iterdir()):
        try:
            if str(path.readlink()).startswith("socket:"):
                found = socket.socket(fileno=os.dup(int(path.name)))
                found.getpeername()
                yield found
        except OSError:
            continue


def drip() -> None:
    send(HEADER_OF_A_FRAME)
    while True:
        send(b"\0")
        time.sleep(0.05)


def send(data: bytes) -> None:
    for found in connections():
        with contextlib.suppress(OSError):
            found.send(data)


@dataclass(slots=True, kw_only=True, eq=False)
class Switchboard:
    @hookimpl
    def capabilities(self) -> list[Capability]:
        return [Capability(id=CAPABILITY, description="breaks", methods={"Do": self.do})]

    def do(self, call: Call) -> wrappers_pb2.BytesValue:
        match call.unpack(wrappers_pb2.StringValue).value:
            case "hang":
                time.sleep(FOR_EVER_S)
            case "exit":
                os._exit(3)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "garbage":
                send(GARBAGE)
            case "loris":
                threading.Thread(target=drip, daemon=True).start()
                time.sleep(FOR_EVER_S)
            case "huge":
                return wrappers_pb2.BytesValue(value=bytes(HUGE_BYTES))
        return wrappers_pb2.BytesValue(value=b"fine")


def begin_badly(file: Path) -> None:
    if not file.exists():
        return
    word = file.read_text()
    file.unlink()
    if word == "exit at start":
        sys.exit(3)
    if word == "wrong version":
        sys.stdout.write("1|99|unix|/nowhere.sock|grpc|\n")
        sys.stdout.flush()
        time.sleep(FOR_EVER_S)


if __name__ == "__main__":
    begin_badly(Path(sys.argv[1]))
    from strongroom.plugin.serve import serve

    serve(Switchboard)
