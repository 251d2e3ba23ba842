"""The state directory of a project: private, ignored by version control, and behind no link."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from strongroom.errors import Misconfigured, StorageFault
from strongroom.workspace.mount.project_state import FOLDERS, STATE_NAME, provision


def modes(state):
    return {stat.S_IMODE(path.stat().st_mode) for path in (state, *(state / name for name in FOLDERS))}


def test_the_state_is_provisioned_with_mode_0700_and_an_ignore_file(tmp_path):
    state = provision(tmp_path)
    assert state.directory == tmp_path / STATE_NAME
    assert sorted(path.name for path in state.directory.iterdir()) == [".gitignore", "log", "md", "sqlite"]
    assert modes(state.directory) == {0o700}
    assert (state.directory / ".gitignore").read_text().splitlines()[-1] == "*"
    path = state.make_log_path("https://a.example", "al/ice", "team-notes")
    owner = tmp_path / STATE_NAME / "log" / "epicenter" / "https%3A%2F%2Fa.example" / "owners" / "al%2Fice"
    assert path == owner / "team-notes.db"
    assert {stat.S_IMODE(each.stat().st_mode) for each in (owner, *owner.parents[:3])} == {0o700}
    assert state.password_path("https://a.example", "al/ice", "team-notes") == owner / "team-notes.password"


@pytest.mark.parametrize("place", ["epicenter", "epicenter/local", "epicenter/local/owners/shared"])
def test_a_link_on_the_way_to_a_log_is_refused(tmp_path, place):
    state = provision(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = state.log_root / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere)
    with pytest.raises(Misconfigured) as refused:
        state.make_log_path("local", "shared", "notes")
    assert refused.value.code == "SR-MOUNT-007"
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_umask_widens_and_narrows_nothing(tmp_path, umask):
    before = os.umask(umask)
    try:
        state = provision(tmp_path)
    finally:
        os.umask(before)
    assert modes(state.directory) == {0o700}


def test_provisioning_again_keeps_what_is_there(tmp_path):
    state = provision(tmp_path)
    (state.directory / "log" / "a.db").write_bytes(b"sealed")
    (state.directory / ".gitignore").write_text("mine\n")
    provision(tmp_path)
    assert (state.directory / "log" / "a.db").read_bytes() == b"sealed"
    assert (state.directory / ".gitignore").read_text() == "mine\n"


def test_a_wider_mode_is_made_narrow_again(tmp_path):
    state = provision(tmp_path)
    for path in (state.directory, state.directory / "log"):
        path.chmod(0o755)
    provision(tmp_path)
    assert modes(state.directory) == {0o700}


@pytest.mark.parametrize("name", ["", "log", "sqlite", "md"])
def test_a_link_in_its_place_is_refused(tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    project = tmp_path / "project"
    project.mkdir()
    place = project / STATE_NAME / name if name else project / STATE_NAME
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(elsewhere)
    with pytest.raises(Misconfigured, match="it is a link, or no directory") as caught:
        provision(project)
    assert caught.value.code == "SR-MOUNT-007"
    assert list(elsewhere.iterdir()) == []


def test_a_file_in_its_place_is_refused(tmp_path):
    (tmp_path / STATE_NAME).write_text("")
    with pytest.raises(Misconfigured, match="it is a link, or no directory"):
        provision(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to somebody else")
@pytest.mark.parametrize("name", ["", STATE_NAME, f"{STATE_NAME}/log"])
def test_a_directory_of_another_user_is_refused(tmp_path, name):
    provision(tmp_path)
    os.chown(tmp_path / name, 65534, 65534)
    with pytest.raises(Misconfigured, match="it belongs to user 65534"):
        provision(tmp_path)


def test_a_project_that_is_not_there_is_a_fault_of_the_disk(tmp_path):
    with pytest.raises(StorageFault, match="No such file"):
        provision(tmp_path / "nowhere")


READ_ONLY = """
import os, sys
from pathlib import Path
from strongroom.errors import StorageFault
from strongroom.workspace.mount.project_state import provision
project = Path(sys.argv[1])
if os.geteuid() == 0:
    os.chown(project, 65534, 65534)
    os.setgid(65534), os.setuid(65534)
project.chmod(0o500)
try:
    provision(project)
except StorageFault as error:
    print(error.code, error.why, sep="|")
"""


def test_a_read_only_project_directory_is_refused_and_stays_as_it_is():
    # Not below the directory of pytest, which others may not enter: the child is no root any more.
    with tempfile.TemporaryDirectory() as outer:
        Path(outer).chmod(0o755)
        project = Path(outer) / "project"
        project.mkdir()
        done = subprocess.run([sys.executable, "-c", READ_ONLY, project], capture_output=True, text=True, check=False)
        assert done.stdout.strip() == "SR-MOUNT-008|Permission denied", done.stderr
        assert list(project.iterdir()) == []
