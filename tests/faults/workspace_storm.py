"""A mounted workspace whose host is killed again and again, while clients write, read and delete.

Each client has keys of its own, so what a key may hold is known: what was acknowledged last, or something that was sent
after it and never answered.
"""

import itertools
import json
import random
import threading
from contextlib import contextmanager

import grpc

from strongroom.pb.strongroom.v1 import keys_pb2, workspace_pb2
from strongroom.pb.strongroom.v1.keys_pb2_grpc import KeysServiceStub
from strongroom.pb.strongroom.v1.workspace_pb2_grpc import WorkspaceServiceStub
from tests.fakes.canary import Canary
from tests.fakes.live_daemon import LiveDaemon

__all__ = ["NAME", "WorkspaceStorm", "quiet_daemon"]

NAME = "notes"
PAGE = 1000
S = 120
MANIFEST = "version: 1\nplugins: []\n"
AWAY = {"UNAVAILABLE", "NOT_FOUND"}
"""What clients hear while the host is killed, and while the workspace is closed and opened again."""
GONE = None
"""What a key holds that was deleted, or never written."""


def quiet_daemon(state, *options, **more):
    """A daemon without plugins, which is ready soon."""
    manifest = state / "none.yaml"
    manifest.write_text(MANIFEST)
    return LiveDaemon(state, ("--plugins-file", str(manifest), "--log-level", "error", *options), **more)


class Key:
    """What may be stored under one key."""

    def __init__(self):
        self.acknowledged = GONE
        self.doubtful = []

    def wrong(self, found):
        """Whether ``found`` was neither acknowledged last nor sent since."""
        return found != self.acknowledged and found not in self.doubtful


class WorkspaceStorm:
    """One host, one project, its clients, and what they heard."""

    def __init__(self, state, project, *, clients, seed):
        self.random = random.Random(seed)  # noqa: S311 - it chooses moments, no secrets
        self.daemon = quiet_daemon(state)
        self.project = project
        self.canary = Canary.new()
        self.clients = clients
        self.keys = {}
        self.writes = self.reads = self.kills = 0
        self.problems = []
        self._numbers = itertools.count()

    @contextmanager
    def stub(self):
        """The service of workspaces on a channel of its own."""
        with self.daemon.channel() as api:
            yield WorkspaceServiceStub(api.channel)

    def mount(self):
        """Open the workspace of the project; nothing happens where it is open."""
        request = workspace_pb2.WorkspaceServiceMountRequest(project_dir=str(self.project), name=NAME)
        with self.stub() as stub:
            stub.Mount(request, timeout=S)

    def fill(self, blobs):
        """Write that many entries with every client at once."""
        places = [range(number, blobs, self.clients) for number in range(self.clients)]

        def write(numbers):
            with self.stub() as stub:
                for number in numbers:
                    self._set(stub, f"filled-{number}")

        self._together([lambda numbers=numbers: write(numbers) for numbers in places])

    def note(self, name, value):
        """Somebody else wrote ``value``."""
        self.keys.setdefault(name, Key()).acknowledged = value

    def cycle(self, load_s, act=None):
        """Load for a while with ``act`` beside it, kill, start again, and compare everything."""
        stop = threading.Event()
        jobs = [lambda number=number: self._load(number, stop) for number in range(self.clients)]
        if act is not None:
            jobs.append(lambda: self._act(act, stop))
        threads = [threading.Thread(target=job) for job in jobs]
        for thread in threads:
            thread.start()
        stop.wait(load_s * self.random.uniform(0.3, 1.7))
        self.daemon.kill()
        self.kills += 1
        stop.set()
        for thread in threads:
            thread.join()
        self.daemon.start()
        # Where it was killed between closing and opening, it stays closed.
        self.mount()
        self.compare()

    def compare(self):
        """Read everything. What is found becomes what is known."""
        found = self.entries()
        for name, key in self.keys.items():
            value = found.get(name, GONE)
            if key.wrong(value):
                self.problems.append(f"{name}: acknowledged {key.acknowledged!r}, found {value!r}")
            key.acknowledged, key.doubtful = value, []
        strange = set(found) - set(self.keys)
        self.problems += [f"{name}: nobody wrote it" for name in strange]

    def entries(self):
        """Every entry; one that cannot be read is a problem."""
        found, token = {}, ""
        with self.stub() as stub:
            while True:
                request = workspace_pb2.WorkspaceServiceEntriesRequest(name=NAME, page_size=PAGE, page_token=token)
                answer = stub.Entries(request, timeout=S)
                for entry in answer.entries:
                    if entry.unreadable:
                        self.problems.append(f"{entry.key}: {entry.unreadable}")
                    else:
                        found[entry.key] = json.loads(entry.json)
                token = answer.next_page_token
                if not token:
                    return found

    def versions(self):
        """Blobs by key version of everything that can be sealed again."""
        with self.daemon.channel(admin=True) as api:
            answer = KeysServiceStub(api.channel).Status(keys_pb2.KeysServiceStatusRequest(), timeout=S)
        return {thing.name: dict(thing.blobs) for thing in answer.things if any(thing.blobs.values())}

    def seen_in_clear(self):
        """Where a written value stands as plain, UTF-16, hex or base64, in the project and in the host's state."""
        return self.canary.found_below(self.project) + self.canary.found_below(self.daemon.state)

    def _act(self, act, stop):
        try:
            while not stop.is_set():
                act(self)
                stop.wait(0.01)
        except grpc.RpcError:
            return  # the host was killed meanwhile

    def _load(self, client, stop):
        chance = random.Random(f"{client} {self.kills}")  # noqa: S311 - it chooses what to do, no secrets
        with self.stub() as stub:
            while not stop.is_set():
                name = f"client-{client}-{chance.randrange(20)}"
                what = chance.random()
                try:
                    if what < 0.6:
                        self._set(stub, name)
                    elif what < 0.7:
                        self._delete(stub, name)
                    else:
                        self._get(stub, name)
                except grpc.RpcError as error:
                    if error.code().name not in AWAY:
                        self.problems.append(f"client {client}: {error.code()} {error.details()}")
                    stop.wait(0.01)

    def _set(self, stub, name):
        value = f"{self.canary.text} {next(self._numbers)}"
        key = self.keys.setdefault(name, Key())
        key.doubtful.append(value)
        request = workspace_pb2.WorkspaceServiceSetRequest(name=NAME, key=name, json=json.dumps(value).encode())
        stub.Set(request, timeout=S)
        key.acknowledged, key.doubtful = value, []
        self.writes += 1

    def _delete(self, stub, name):
        key = self.keys.setdefault(name, Key())
        key.doubtful.append(GONE)
        stub.Delete(workspace_pb2.WorkspaceServiceDeleteRequest(name=NAME, key=name), timeout=S)
        key.acknowledged, key.doubtful = GONE, []

    def _get(self, stub, name):
        answer = stub.Get(workspace_pb2.WorkspaceServiceGetRequest(name=NAME, key=name), timeout=S)
        found = json.loads(answer.entry.json) if answer.HasField("entry") else GONE
        key = self.keys.setdefault(name, Key())
        if answer.entry.unreadable or key.wrong(found):
            self.problems.append(f"{name}: read {found!r}, acknowledged {key.acknowledged!r} {answer.entry.unreadable}")
        self.reads += 1

    @staticmethod
    def _together(jobs):
        threads = [threading.Thread(target=job) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
