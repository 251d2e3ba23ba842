"""Encrypted workspaces as their users meet them: the real command line against a real daemon."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.pb.strongroom.v1 import workspace_pb2
from strongroom.pb.strongroom.v1.workspace_pb2_grpc import WorkspaceServiceStub
from tests.fakes.canary import Canary
from tests.fakes.live_daemon import PROGRAM, environment, strongroom
from tests.faults.workspace_storm import quiet_daemon
from tests.scenarios.conftest import short_directory


@pytest.fixture
def project():
    made = short_directory()
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def host(state):
    daemon = quiet_daemon(state).start()
    yield daemon
    if daemon.process.poll() is None:
        daemon.kill()


@pytest.fixture
def notes(host, project):
    """The host, with a workspace of the project mounted."""
    assert host("workspace", "mount", str(project), "--name", "notes").code == 0
    return host


def get(host, key, place="notes"):
    answer = host("workspace", "get", place, key, "--json")
    return answer.json["value"] if answer.code == 0 else answer.err


def test_what_is_written_is_nowhere_in_the_project_or_the_state_while_the_host_runs_and_after(notes, project):
    canary = Canary.new()
    value = json.dumps({"text": canary.text, "list": [canary.text]})
    assert notes("workspace", "set", "notes", "greeting", value).code == 0
    assert notes("workspace", "set", "notes:tasks", "row", value).code == 0
    assert notes("workspace", "set", "notes", "greeting", json.dumps(canary.text)).code == 0
    assert get(notes, "greeting") == canary.text
    copy = project / "notes.sealed"
    assert notes("workspace", "export", "notes", str(copy)).code == 0
    assert notes("workspace", "delete", "notes:tasks", "row", "--yes").code == 0

    def places():
        return canary.found_below(project) + canary.found_below(notes.state)

    assert places() == []
    assert notes("workspace", "compact", "notes").code == 0
    notes.stop()
    assert places() == []
    assert canary.text not in "".join(notes.log)
    (project / "control").write_text(canary.text)
    assert len(places()) == 1, "the search finds what is there"


def test_a_host_that_is_killed_at_once_has_everything_that_it_called_written(notes):
    for number in range(3):
        assert notes("workspace", "set", "notes", "key", str(number)).code == 0
        notes.kill()
        notes.start()
        assert get(notes, "key") == number
    listed = notes("workspace", "list", "--json").json["mounts"]
    assert [(mount["name"], mount["state"]) for mount in listed] == [("notes", "open")], "it is mounted again by itself"


# What runs in the background of a script ignores Ctrl-C, and so does what it starts; a terminal's programs do not.
AT_A_TERMINAL = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.executable, sys.argv[1:])"
)


def test_a_watch_in_another_process_prints_each_change_and_ends_with_ctrl_c(notes):
    watching = subprocess.Popen(
        [sys.executable, "-c", AT_A_TERMINAL, *PROGRAM, "workspace", "watch", "notes", "--json"],
        env=environment(notes.state),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert "watching notes" in watching.stderr.readline()
        notes("workspace", "set", "notes", "key", '"value"')
        change = json.loads(watching.stdout.readline())
        assert (change["action"], change["key"], change["value"]) == ("add", "key", "value")
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 130
        assert "Traceback" not in watching.stderr.read()
    finally:
        watching.kill()
        watching.communicate()


def test_a_host_that_ends_waits_for_nobody_who_only_watches(notes):
    with notes.channel() as api:
        stub = WorkspaceServiceStub(api.channel)
        changes = stub.Watch(workspace_pb2.WorkspaceServiceWatchRequest(name="notes"), timeout=60)
        assert next(changes).action == "ready"
        notes.process.send_signal(signal.SIGTERM)
        assert list(changes) == [], "it ends as it does when the workspace is closed, and is not cut"
        assert notes.process.wait(30) == 0


def test_one_host_at_a_time_has_a_project_and_another_ones_keys_open_nothing(notes, project):
    assert notes("workspace", "set", "notes", "key", "1").code == 0
    elsewhere = short_directory()
    other = quiet_daemon(elsewhere).start()
    try:
        refused = other("workspace", "mount", str(project))
        assert (refused.code, f"process {notes.process.pid}" in refused.err) == (69, True), refused.err
        notes.kill()
        refused = other("workspace", "mount", str(project))
        assert (refused.code, "SR-WS-070" in refused.err) == (65, True), refused.err
        assert other("workspace", "list", "--json").json["mounts"] == []
    finally:
        other.stop()
        shutil.rmtree(elsewhere, ignore_errors=True)
    notes.start()
    assert get(notes, "key") == 1


def test_a_project_that_was_deleted_is_told_at_each_call_and_takes_nothing_with_it(notes, project):
    gone = project / "gone"
    gone.mkdir()
    assert notes("workspace", "mount", str(gone), "--name", "gone").code == 0
    assert notes("workspace", "set", "gone", "key", "1").code == 0
    shutil.rmtree(gone)
    for arguments in (("get", "gone", "key"), ("set", "gone", "key", "2"), ("verify", "gone")):
        refused = notes("workspace", *arguments)
        assert (refused.code, "SR-MOUNT-016" in refused.err) == (69, True), refused.err
    assert not gone.exists(), "nothing is made anew behind the back of whoever deleted it"
    assert notes("workspace", "set", "notes", "key", "1").code == 0
    notes.stop()
    notes.start()
    states = {each["name"]: each["state"] for each in notes("workspace", "list", "--json").json["mounts"]}
    assert states == {"gone": "failed", "notes": "open"}
    assert notes("workspace", "unmount", "gone").code == 0
    assert get(notes, "key") == 1


def test_a_copy_made_before_a_key_was_retired_keeps_it_from_being_retired(notes, project):
    assert notes("workspace", "set", "notes", "key", "1").code == 0
    copy = project / "copy"
    assert notes("workspace", "export", "notes", str(copy)).code == 0
    assert notes("keys", "add").code == 0
    assert notes("keys", "promote", "2").code == 0
    assert notes("keys", "rewrap", "--wait").code == 0
    refused = notes("keys", "retire", "1", "--yes")
    assert (refused.code, str(copy) in refused.err, "--forget" in refused.err) == (78, True, True), refused.err
    copy.unlink()
    assert notes("keys", "retire", "1", "--key-file", str(notes.state / "keyring"), "--yes").code == 0
    assert get(notes, "key") == 1


def test_a_project_that_may_not_be_written_is_refused_and_stays_as_it_was(host):
    nobody_writes_here = Path("/sys/kernel")  # not even root does
    before = sorted(nobody_writes_here.iterdir())
    refused = host("workspace", "mount", str(nobody_writes_here), "--name", "notes")
    assert (refused.code, "SR-MOUNT-006" in refused.err) == (69, True), refused.err
    assert sorted(nobody_writes_here.iterdir()) == before
    assert host("workspace", "list", "--json").json["mounts"] == []


def test_commands_without_a_host_say_how_to_start_one(state):
    refused = strongroom(state, "workspace", "list")
    assert (refused.code, "SR-CLI-020" in refused.err) == (69, True)
