"""A relay on a free port with tokens of two owners, clients of it, and everything that crosses their sockets."""

import hashlib
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

from websockets.sync.client import connect

from strongroom.errors import StrongroomError
from strongroom.settings.relay import RelaySettings
from strongroom.workspace.document import Document
from strongroom.workspace.sync.client import Clock, SyncClient
from strongroom.workspace.sync.dial import dial
from strongroom.workspace.sync.limits import RelayTimes
from strongroom.workspace.sync.relay import Relay
from strongroom.workspace.sync.room_url import RoomAddress, percent_encoded, room_url
from strongroom.workspace.sync.subprotocols import Dialect
from strongroom.workspace.yjs.state_vector import decode_state_vector

TOKENS = {
    "alice-writes": ("alice", "rw"),
    "alice-reads": ("alice", "ro"),
    "bob-writes": ("bob", "rw"),
    "odd-writes": ("a/../b ü", "rw"),
}
WAIT_S = 20
IMPATIENT = RelayTimes(leave_s=0.05, idle_s=0.05, close_s=0.5, tokens_s=0.05)


def until(condition, what="it"):
    """Wait for what other threads bring about."""
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, f"{what} did not come about"
        time.sleep(0.003)


def write_tokens(path, tokens):
    """A file of tokens; what was there before is replaced in one step."""
    lines = [
        f"{hashlib.sha256(token.encode()).hexdigest()}  {percent_encoded(owner)}  {may}  of a test"
        for token, (owner, may) in tokens.items()
    ]
    fresh = path.with_suffix(".new")
    fresh.write_text("# made by a test\n\n" + "\n".join(lines) + "\n")
    fresh.chmod(0o600)
    fresh.rename(path)
    return path


class Recorded:
    """A socket whose frames are kept, whichever way they go."""

    def __init__(self, socket, frames):
        self._socket = socket
        self._frames = frames

    @property
    def subprotocol(self):
        return self._socket.subprotocol

    def send(self, message):
        self._frames.append(message)
        self._socket.send(message)

    def recv(self, timeout=None):
        message = self._socket.recv(timeout)
        self._frames.append(message)
        return message

    def close(self, code=1000, reason=""):
        self._socket.close(code, reason)


class SoonAgain(Clock):
    """Real time, in which a client waits for a hundredth of what it should."""

    def __init__(self):
        super().__init__(wait=lambda event, seconds: event.wait(None if seconds is None else seconds / 100))


class RelayRig:
    """The relay and what was made with it; use it in a ``with``."""

    def __init__(self, directory, *, times=IMPATIENT, tokens=TOKENS, **settings):
        self.directory = directory
        self.tokens_file = write_tokens(directory / "tokens", tokens)
        self.settings = RelaySettings(listen="127.0.0.1:0", tokens_file=self.tokens_file, **settings)
        self.times = times
        self.frames = []
        self._stack = ExitStack()
        self.relay = Relay(self.settings, directory, times=times)

    def __enter__(self):
        self.relay.start()
        self.address = self.relay.status().address
        self.port = int(self.address.rpartition(":")[2])
        return self

    def __exit__(self, *_):
        self._stack.close()
        self.relay.stop()

    def restart(self):
        """The same relay again, on the same port, as after a crash of its host."""
        self.relay.stop()
        again = self.settings.model_copy(update={"listen": self.address})
        self.relay = Relay(again, self.directory, times=self.times)
        self.relay.start()

    @property
    def base(self):
        """What y-websocket is given as its server."""
        return f"ws://{self.address}/api/owners/alice/rooms"

    @property
    def refused(self):
        """What the relay refused, by code."""
        return self.relay.status().refused

    def client(self, document, device="a", *, token="alice-writes", owner="alice", dialect=Dialect.STRONGROOM):  # noqa: S107 - of these tests alone
        """A client that is connected until the end of the test."""
        url = room_url(f"ws://{self.address}", RoomAddress(owner, document.guid), device)

        def opened(url, subprotocols):
            return Recorded(dial(url, subprotocols, bearer=token), self.frames)

        return self.kept(SyncClient(document, url, open_web_socket=opened, dialect=dialect, clock=SoonAgain()))

    def local_client(self, document, device="local"):
        """A client in memory."""

        def opened(url, subprotocols):
            return Recorded(self.relay.connect_local("alice", document.guid, device), self.frames)

        return self.kept(SyncClient(document, "local", open_web_socket=opened, clock=SoonAgain()))

    def kept(self, client):
        """Start a client; it is disposed of before the relay stops."""
        client.start()
        self._stack.callback(client.dispose)
        return client

    @contextmanager
    def raw(self, guid="notes", *, token="alice-writes", protocols=("strongroom",), query="", **more):  # noqa: S107 - as above
        """A socket without a client: whatever a test wants to send."""
        url = room_url(f"ws://{self.address}", RoomAddress("alice", guid), "raw") + query
        with self.raw_url(url, [*protocols, *([f"bearer.{token}"] if token else [])], **more) as socket:
            yield socket

    @contextmanager
    def raw_url(self, url, offered, **more):
        """As ``raw``, anywhere."""
        more = {"compression": None, "proxy": None, "max_size": None, "close_timeout": 1, **more}
        with connect(url, subprotocols=offered or None, **more) as socket:
            yield socket


def closed_with(socket):
    """Read until the relay closes; the code and the reason."""
    with suppress(Exception):
        while True:
            socket.recv(WAIT_S)
    until(lambda: socket.close_code is not None, "a close")
    return socket.close_code, socket.close_reason


def connected(*clients):
    """Wait until they are in step with the relay."""
    for client in clients:
        until(lambda client=client: client.state == "connected", f"a connection ({client.state} {client.problem})")


def append(document, *values, array="kv"):
    """Put values at the end of an array."""
    with document.transaction():
        document.array(array).extend(list(values))


def values(document, array="kv"):
    """What an array holds."""
    with document.transaction():
        return document.array(array).to_py()


def in_step(*documents):
    """Wait until all hold the same."""

    def clocks(document):
        return sorted(decode_state_vector(document.state_vector()).items())  # the library writes them in any order

    until(lambda: all(clocks(document) == clocks(documents[0]) for document in documents), "convergence")
    states = [{name: values(document, name) for name in document.array_names()} for document in documents]
    until(lambda: all(state == states[0] for state in states), "one state")


def new_documents(number, guid="notes"):
    """Documents of the same workspace on several devices."""
    return [Document(guid) for _ in range(number)]


def stops(call):
    """The error that a call raises, on a thread that must end."""
    found = []

    def run():
        try:
            call()
        except StrongroomError as fault:
            found.append(fault)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(WAIT_S)
    assert not thread.is_alive(), "it goes on for ever"
    return found[0] if found else None
