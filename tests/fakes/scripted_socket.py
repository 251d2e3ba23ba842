"""A relay that a test plays by hand, and a clock that it moves: for clients of a relay."""

import queue
import threading
from contextlib import contextmanager

from strongroom.workspace.document import Document
from strongroom.workspace.sync import faults
from strongroom.workspace.sync.client import SyncClient
from strongroom.workspace.sync.subprotocols import Dialect
from tests.fakes.relay_rig import WAIT_S, until

SILENCE = object()


class ScriptedSocket:
    """The client's end. The test reads ``sent`` and says what is heard, when it is closed, and when nobody speaks."""

    subprotocol = "strongroom"

    def __init__(self):
        self.sent = queue.Queue()
        self._heard = queue.Queue()
        self.closed = threading.Event()

    def hear(self, message):
        """Let the client receive this."""
        self._heard.put(message)

    def silence(self):
        """Let the client's waiting end without a word."""
        self._heard.put(SILENCE)

    def end(self, code, reason=""):
        """Close it from the relay's side."""
        self._heard.put((code, reason))

    def next(self):
        """What the client sends next."""
        return self.sent.get(timeout=WAIT_S)

    # What the client calls.

    def send(self, message):
        if self.closed.is_set():
            raise faults.closed(1006, "")
        self.sent.put(message)

    def recv(self, timeout=None):
        found = self._heard.get(timeout=WAIT_S)
        if found is SILENCE:
            raise TimeoutError
        if isinstance(found, tuple):
            self.closed.set()
            raise faults.closed(*found)
        return found

    def close(self, code=1000, reason=""):
        if not self.closed.is_set():
            self.closed.set()
            self._heard.put((code, reason))


class ScriptedRelay:
    """Opens scripted sockets, or fails as told; ``opened`` has each of them."""

    def __init__(self):
        self.opened = queue.Queue()
        self.offers = []
        self.failures = []

    def open(self, url, subprotocols):
        self.offers.append((url, list(subprotocols)))
        if self.failures:
            raise self.failures.pop(0)
        socket = ScriptedSocket()
        self.opened.put(socket)
        return socket

    def next(self):
        """The next connection that the client makes."""
        return self.opened.get(timeout=WAIT_S)


class HandMovedClock:
    """Time stands until ``now`` is set. A client that waits says for how long in ``waits``, and goes on when let."""

    def __init__(self, chance=1.0):
        self.now = 0.0
        self.waits = queue.Queue()
        self._go_on = threading.Semaphore(0)
        self._chance = chance

    def now_s(self):
        return self.now

    def random(self):
        return self._chance

    def wait(self, event, seconds):
        self.waits.put(seconds)
        while not event.is_set() and not self._go_on.acquire(timeout=0.01):
            pass

    def next_wait(self):
        """How long the client wants to wait now."""
        return self.waits.get(timeout=WAIT_S)

    def go_on(self):
        """Let the wait be over."""
        self._go_on.release()


class Signals:
    """Where a client asks to be told that trying again is worth it."""

    def __init__(self):
        self.callbacks = []

    def __call__(self, callback):
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def fire(self):
        for callback in tuple(self.callbacks):
            callback()


class Scene:
    """A document, its client, and a relay that the test plays."""

    def __init__(self, dialect=Dialect.STRONGROOM, chance=1.0):
        self.document = Document("notes")
        self.relay = ScriptedRelay()
        self.clock = HandMovedClock(chance)
        self.signals = Signals()
        self.client = SyncClient(
            self.document,
            "ws://relay/room",
            open_web_socket=self.relay.open,
            on_reconnect_signal=self.signals,
            dialect=dialect,
            clock=self.clock,
        )

    def state(self, state):
        """Wait until the client is in this state."""
        until(lambda: self.client.state == state, state)


@contextmanager
def scene(*arguments, failures=(), **more):
    """A scene whose client has started."""
    made = Scene(*arguments, **more)
    made.relay.failures = list(failures)
    made.client.start()
    try:
        yield made
    finally:
        made.client.dispose()
