"""K5: keys of a mounted workspace are rotated under load while the host is killed with kill -9.

A writer sets values all the time. What was acknowledged must read at the end, under one version, without old secrets.
"""

import json
import shutil
import threading

import grpc
import pytest

from strongroom.keyring.files import load_keyring
from strongroom.pb.strongroom.v1 import workspace_pb2, workspace_pb2_grpc
from tests.fakes.live_daemon import LiveDaemon
from tests.faults.scale import NIGHTLY
from tests.scenarios.conftest import short_directory

KILLS = 20 if NIGHTLY else 4
FIRST_VALUES = 2_000 if NIGHTLY else 200
MARKER = "MARKER"
CALL_S = 5


def value_of(number):
    return json.dumps(f"{MARKER} {number}").encode()


class Writer(threading.Thread):
    """Sets a value after the other; those that were acknowledged stand in ``written``."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self._daemon, self.written = daemon, []
        self.begun, self._enough = threading.Event(), threading.Event()

    def run(self):
        number = 0
        while not self._enough.is_set():
            try:
                with self._daemon.channel() as api:
                    stub = workspace_pb2_grpc.WorkspaceServiceStub(api.channel)
                    while not self._enough.is_set():
                        number += 1
                        request = workspace_pb2.WorkspaceServiceSetRequest(
                            name="notes", key=f"k{number}", json=value_of(number)
                        )
                        stub.Set(request, timeout=CALL_S)
                        self.written.append(number)
                        if len(self.written) >= FIRST_VALUES:
                            self.begun.set()
            except grpc.RpcError:
                # The host is gone for a moment; whether this one was kept, nobody was told.
                self._enough.wait(0.05)

    def end(self):
        self._enough.set()
        self.join(CALL_S * 2)


@pytest.fixture
def place():
    directory = short_directory()
    state, project = directory / "s", directory / "project"
    state.mkdir(mode=0o700)
    project.mkdir()
    daemon = LiveDaemon(state)
    yield daemon, project
    if daemon.process is not None and daemon.process.poll() is None:
        daemon.kill()
    shutil.rmtree(directory, ignore_errors=True)


def found(daemon):
    """Every readable value of the workspace."""
    with daemon.channel() as api:
        stub = workspace_pb2_grpc.WorkspaceServiceStub(api.channel)
        values, token = {}, ""
        while True:
            request = workspace_pb2.WorkspaceServiceEntriesRequest(name="notes", page_token=token)
            answer = stub.Entries(request, timeout=30)
            values.update({each.key: each.json for each in answer.entries})
            token = answer.next_page_token
            if not token:
                return values


@pytest.mark.timeout(1800 if NIGHTLY else 180)
def test_rotation_under_load_and_kill_9_loses_no_value_and_needs_no_old_secret(place, record_property):
    daemon, project = place
    daemon.start()
    assert daemon("workspace", "mount", str(project), "--name", "notes").code == 0
    writer = Writer(daemon)
    writer.start()
    assert writer.begun.wait(120)
    key_file = str(daemon.state / "keyring")
    version, kills = 1, 0

    def step(*arguments):
        """A verb whose host may be killed while it works; asked again until it was done."""
        nonlocal kills
        for attempt in range(10):
            killer = None
            # The next attempt may end, so that the following kill meets another verb.
            if kills < KILLS and attempt % 2 == 0:
                kills += 1
                killer = threading.Timer(0.3 + 0.1 * (kills % 7), daemon.process.kill)
                killer.start()
            answer = daemon("keys", *arguments)
            if killer is not None:
                killer.join()
                daemon.process.wait(10)
                daemon.start()
            if answer.code == 0:
                return answer
        raise AssertionError(answer.err)

    def status():
        answer = daemon("keys", "status", "--json")
        assert answer.code == 0, f"{answer.err} {''.join(daemon.log[-5:])}"
        return answer.json

    while kills < KILLS or version == 1:
        step("add", "--key-file", key_file)
        version = max(each["version"] for each in status()["versions"])
        step("promote", str(version))
        step("rewrap", "--wait")
        for old in load_keyring(daemon.state / "keyring").versions:
            if old != version:
                while daemon("keys", "retire", str(old), "--yes", "--key-file", key_file).code != 0:
                    step("rewrap", "--wait")
    writer.end()
    counted = {number for thing in status()["things"] for number, blobs in thing["blobs"].items() if blobs}
    assert counted == {str(version)}
    daemon.kill()
    assert load_keyring(daemon.state / "keyring").versions == (version,)
    daemon.start()
    values = found(daemon)
    lost = [
        number for number in writer.written if values.get(f"k{number}") != json.dumps(f"{MARKER} {number}").encode()
    ]
    assert lost == []
    assert daemon("workspace", "list", "--json").json["mounts"][0]["unreadable"] == 0
    daemon.stop()
    for directory in (daemon.state, project):
        for path in directory.rglob("*"):
            assert not path.is_file() or MARKER.encode() not in path.read_bytes(), path
    record_property("promise", ("K5", f"{kills} kills, 0 values lost", f"0 of {len(writer.written)} lost"))
