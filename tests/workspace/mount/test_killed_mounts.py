"""kill -9 while a project is mounted leaves nothing that blocks the next mount; and two daemons exclude each other."""

import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.errors import Unavailable
from tests.fakes.mount_rig import MountRig

CHILD = """
import sys
from pathlib import Path
from tests.fakes.mount_rig import MountRig
from strongroom.workspace.mount import leases, opening, register, infrastructure, project_state
from strongroom.workspace.persistence.sealed_log import SealedLog
from strongroom.workspace.workspace import Workspace

def stop_before(place, name):
    original = getattr(place, name)
    def stopped(*args, **kwargs):
        print("stopped", flush=True)
        sys.stdin.read()
        return original(*args, **kwargs)
    setattr(place, name, stopped)

steps = {
    "before the state": (leases, "provision"),
    "before the lease": (leases, "Lease"),
    "with the lease": (opening.Opener, "_one"),
    "before the log is read": (SealedLog, "load"),
    "before the workspace": (infrastructure.Workspace, "create"),
    "before it writes": (SealedLog, "attach"),
    "before it is counted": (register.Register, "counted"),
}
rig = MountRig(Path(sys.argv[1]))
step = sys.argv[2]
if step in steps:
    stop_before(*steps[step])
opened = rig.open()
opened.workspace.store("kv").set("key", "written by the child")
opened.flush()
print("open", flush=True)
sys.stdin.read()
"""
STEPS = [
    "before the state",
    "before the lease",
    "with the lease",
    "before the log is read",
    "before the workspace",
    "before it writes",
    "before it is counted",
]


class Child:
    """A daemon in another process that stops at ``step``, or holds the mount open."""

    def __init__(self, tmp_path: Path, step: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), step],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[3],
        )
        self.said = self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def children():
    made: list[Child] = []
    yield made
    for child in made:
        if child.process.poll() is None:
            child.kill()


@pytest.mark.parametrize("step", STEPS)
def test_kill_9_during_a_mount_leaves_nothing_that_blocks_the_next_one(tmp_path, children, step):
    children.append(Child(tmp_path, step))
    assert children[0].said == "stopped"
    children[0].kill()
    rig = MountRig(tmp_path)
    rig.mounts.reopen_known()
    opened = rig.open()
    opened.workspace.store("kv").set("key", "written after the kill")
    opened.flush()
    rig.restart()
    rig.mounts.reopen_known()
    assert rig.mounts.get("notes").workspace.store("kv").get("key") == "written after the kill"
    rig.mounts.close()


def test_kill_9_of_a_daemon_with_a_mount_loses_nothing_that_was_answered(tmp_path, children):
    children.append(Child(tmp_path, "none"))
    assert children[0].said == "open"
    children[0].kill()
    rig = MountRig(tmp_path)
    assert [info.state for info in rig.mounts.reopen_known()] == ["open"]
    assert rig.mounts.get("notes").workspace.store("kv").get("key") == "written by the child"
    rig.mounts.close()


def test_two_daemons_on_one_project_exclude_each_other_whatever_their_state(tmp_path, children):
    children.append(Child(tmp_path, "none"))
    assert children[0].said == "open"
    other_state = tmp_path / "other-host"
    other_state.mkdir()
    rig = MountRig(other_state)
    with pytest.raises(
        Unavailable, match=f"another daemon .process {children[0].process.pid}. has the project"
    ) as caught:
        rig.mounts.mount(tmp_path / "project", "notes")
    assert caught.value.code == "SR-MOUNT-009"
    assert rig.mounts.all() == []
    children[0].kill()
    rig.mounts.mount(tmp_path / "project", "notes")
    assert rig.mounts.get("notes").workspace.store("kv").get("key") == "written by the child"
    rig.mounts.close()
