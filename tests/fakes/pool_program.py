"""``strongroom-runner`` for tests: its loop in a thread of the test, or the program itself."""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from strongroom.guest.starter import wire
from strongroom.guest.starter.doors import InheritedDoor, ListeningDoor, listening_at
from strongroom.guest.starter.pool_client import GUESTS, Pool, at_path, over
from strongroom.guest.starter.serving import Serving

WAIT_S = 30
PROGRAM = [sys.executable, "-I", "-m", "strongroom.guest.starter"]


class PoolInThread:
    """The loop in a thread, which lives as long as its runners. ``connect`` makes a connection to it."""

    def __init__(self, path, *, runners_max=8):
        self.path = path
        self.inherited, self._theirs = wire.pair()
        self._opened = contextlib.ExitStack()
        listening = self._opened.enter_context(listening_at(path))
        doors = [ListeningDoor(listening), InheritedDoor(self._opened.enter_context(self._theirs))]
        self.serving = Serving(doors, runners_max=runners_max)
        self.thread = threading.Thread(target=self.serving.run)
        self.thread.start()
        self.connect = over(self.inherited)

    def pool(self, kind=GUESTS):
        """A client that orders over the inherited pair."""
        return Pool(self.connect, kind)

    def wait_idle(self):
        """Return when it has no connection."""
        deadline_s = time.monotonic() + WAIT_S
        while self.serving._orders:
            assert time.monotonic() < deadline_s, "connections are left"
            time.sleep(0.002)

    def close(self):
        """Hang up; the loop ends by itself, and its runners with it."""
        self.inherited.close()
        self.thread.join(WAIT_S)
        self._opened.close()
        assert not self.thread.is_alive()


class PoolProgram:
    """The program, at a path; it can be killed and started again. ``before`` stands in front of its command."""

    def __init__(self, path, *options, before=()):
        self.path, self._options, self._before = Path(path), options, before
        self.process = None
        self.start()

    def start(self):
        """Return when it listens."""
        command = [*self._before, *PROGRAM, "--socket", str(self.path), *self._options]
        self.path.unlink(missing_ok=True)
        with notified(self.path.with_name("notify")) as (address, ready):
            self.process = subprocess.Popen(command, env={"NOTIFY_SOCKET": address}, stderr=subprocess.DEVNULL)
            assert ready() == b"READY=1"

    def client(self, kind=GUESTS):
        """A client that orders at the path."""
        return Pool(at_path(self.path), kind)

    def kill(self):
        """As a kernel does that has no memory left."""
        self.process.kill()
        self.process.wait(WAIT_S)

    def close(self):
        """End it in order."""
        self.process.terminate()
        assert self.process.wait(WAIT_S) in {0, -9}


@contextlib.contextmanager
def notified(path):
    """The address of a service manager, and what waits for the next thing that it is told."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(WAIT_S)
        yield str(path), lambda: manager.recv(4096)
    path.unlink()
