"""Keys of a mounted workspace are added, promoted, rewrapped and retired, while its host is killed again and again."""

import shutil

import pytest

from strongroom.keyring.files import load_keyring
from strongroom.pb.strongroom.v1 import keys_pb2, workspace_pb2
from strongroom.pb.strongroom.v1.keys_pb2_grpc import KeysServiceStub
from tests.faults.figures import record
from tests.faults.scale import SCALE
from tests.faults.workspace_storm import NAME, WorkspaceStorm
from tests.scenarios.conftest import short_directory

S = 120
CLIENTS = 4
LOAD_S = 0.25
REWRAP_S = 12
"""How long sealing again takes at the chosen rate when nobody kills it: every kill in it finds it at work."""


def rewrap(storm):
    """Begin to seal again, slowly enough to be killed, and follow it until it ends or the host does."""
    rate = max(1, len(storm.keys) // REWRAP_S)
    with storm.daemon.channel(admin=True) as api:
        list(KeysServiceStub(api.channel).Rewrap(keys_pb2.KeysServiceRewrapRequest(rate=rate), timeout=S))


def compact(storm):
    with storm.stub() as stub:
        stub.Compact(workspace_pb2.WorkspaceServiceCompactRequest(name=NAME), timeout=S)


def mount_again(storm):
    """Close it and open it; whoever wrote meanwhile is told that it is not mounted."""
    with storm.stub() as stub:
        stub.Unmount(workspace_pb2.WorkspaceServiceUnmountRequest(name=NAME), timeout=S)
    storm.mount()


@pytest.fixture
def storm():
    state, project = short_directory(), short_directory()
    made = WorkspaceStorm(state, project, clients=CLIENTS, seed=5)
    yield made
    if made.daemon.process is not None and made.daemon.process.poll() is None:
        made.daemon.kill()
    shutil.rmtree(project, ignore_errors=True)
    shutil.rmtree(state, ignore_errors=True)


def said(answer):
    assert answer.code == 0, answer.err
    return answer


def rotate(storm, version, kills):
    """One rotation to ``version`` with that many kills: half of them while values are sealed again."""
    daemon = storm.daemon
    acts = [mount_again, compact, None] * (kills // 12)
    for act in acts:
        storm.cycle(LOAD_S, act)
    said(daemon("keys", "add"))
    storm.cycle(LOAD_S)
    said(daemon("keys", "promote", str(version)))
    refused = daemon("keys", "retire", str(version - 1), "--yes")
    assert (refused.code, f"of workspace {NAME}" in refused.err) == (78, True), refused.err
    storm.cycle(LOAD_S, compact)
    unfinished = 0
    for _ in range(kills - len(acts) - 2):
        storm.cycle(LOAD_S * 2, rewrap)
        unfinished += set(storm.versions()[f"workspace {NAME}"]) != {version}
    assert unfinished > 0, "a kill found it at work"
    said(daemon("keys", "rewrap", "--wait"))


@pytest.mark.timeout(0)
def test_whatever_was_acknowledged_is_read_after_rotations_under_kill_9(storm):
    daemon, notes = storm.daemon, f"workspace {NAME}"
    daemon.start()
    mounted = said(daemon("workspace", "mount", str(storm.project), "--name", NAME))
    assert f"{NAME} was added to {storm.project}/strongroom.toml" in mounted.err
    marker = f'"{storm.canary.text}"'
    said(daemon("workspace", "set", NAME, "greeting", marker))
    assert said(daemon("workspace", "get", NAME, "greeting")).out.strip() == marker
    assert storm.seen_in_clear() == []
    storm.note("greeting", storm.canary.text)
    storm.fill(SCALE.workspace_blobs)
    last = SCALE.workspace_rotations + 1
    for version in range(2, last + 1):
        rotate(storm, version, SCALE.workspace_kills // SCALE.workspace_rotations)
        assert storm.problems == []
        assert set(storm.versions()[notes]) == {version}
    assert storm.seen_in_clear() == []
    what = f"{storm.kills} kill -9, {SCALE.workspace_rotations} rotations, {SCALE.workspace_blobs} values filled in"
    measured = f"{len(storm.problems)} lost of {storm.writes} acknowledged"
    record("K5", what, demanded="0 unreadable, one version at the end", measured=measured, met=not storm.problems)

    keyring = daemon.state / "keyring"
    for version in range(1, last):
        said(daemon("keys", "retire", str(version), "--key-file", str(keyring), "--yes"))
    assert load_keyring(keyring).versions == (last,), "the old secrets are gone"
    daemon.stop()
    daemon.start()
    storm.compare()
    assert storm.problems == []
    verified = said(daemon("workspace", "verify", NAME, "--json")).json
    assert (verified["holds"], list(verified["entries_by_key_version"])) == (True, [str(last)])
    assert storm.writes > SCALE.workspace_blobs
    assert storm.reads > 0
