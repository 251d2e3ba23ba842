"""Adding a mount: the person's text stays, and what cannot be read never takes its place."""

import os
import stat
from pathlib import Path

import pytest

from strongroom.errors import Conflict, Misconfigured, StorageFault
from strongroom.workspace.mount.project_edit import add_mount
from strongroom.workspace.mount.project_file import FILE_NAME, read_project

MINE = """# My project. Do not touch the order!

[[mounts]]  # the first one
name = "notes"   # for everybody
relay = 'local'
"""


def test_the_first_mount_makes_the_file(tmp_path):
    file = add_mount(tmp_path, "notes")
    assert [entry.name for entry in file.mounts] == ["notes"]
    assert read_project(tmp_path) == file
    assert (tmp_path / FILE_NAME).read_text().startswith("# Workspaces of this project")
    assert [each.name for each in tmp_path.iterdir()] == [FILE_NAME]


def test_a_mount_is_added_behind_what_is_there_and_comments_stay(tmp_path):
    path = tmp_path / FILE_NAME
    path.write_text(MINE)
    path.chmod(0o640)
    file = add_mount(tmp_path, "plans")
    assert path.read_text().startswith(MINE)
    assert [entry.name for entry in file.mounts] == ["notes", "plans"]
    assert file.mounts[0].relay == "local"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_without_a_last_line_break_is_added_to(tmp_path):
    (tmp_path / FILE_NAME).write_text(MINE.rstrip())
    assert len(add_mount(tmp_path, "plans").mounts) == 2


@pytest.mark.parametrize("text", ["mounts = [{name = 'notes'}]\n", "mounts = []\n"])
def test_a_list_that_is_written_inline_is_left_to_its_author(tmp_path, text):
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(Misconfigured, match="cannot be added") as caught:
        add_mount(tmp_path, "plans")
    assert caught.value.code == "SR-MOUNT-004"
    assert (tmp_path / FILE_NAME).read_text() == text


@pytest.mark.parametrize(
    ("name", "reason"), [("notes", "declared twice"), ("no name", "it is no name"), ('a"]', "no name")]
)
def test_a_name_that_cannot_be_is_not_added(tmp_path, name, reason):
    (tmp_path / FILE_NAME).write_text(MINE)
    with pytest.raises(Misconfigured, match=reason):
        add_mount(tmp_path, name)
    assert (tmp_path / FILE_NAME).read_text() == MINE


def test_a_file_that_is_wrong_already_is_not_added_to(tmp_path):
    (tmp_path / FILE_NAME).write_text("[[mounts]]\nnme = 'a'\n")
    with pytest.raises(Misconfigured, match="did you mean name"):
        add_mount(tmp_path, "plans")


def test_a_change_by_somebody_else_meanwhile_is_not_lost(tmp_path, monkeypatch):
    path = tmp_path / FILE_NAME
    path.write_text(MINE)
    fsync = os.fsync

    def meanwhile(descriptor: int) -> None:
        fsync(descriptor)
        path.write_text(MINE + "# another editor\n")

    monkeypatch.setattr(os, "fsync", meanwhile)
    with pytest.raises(Conflict, match="was changed meanwhile"):
        add_mount(tmp_path, "plans")
    assert path.read_text() == MINE + "# another editor\n"
    assert [each.name for each in tmp_path.iterdir()] == [FILE_NAME]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    (tmp_path / FILE_NAME).write_text(MINE)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFault, match="No space left"):
        add_mount(tmp_path, "plans")
    assert (tmp_path / FILE_NAME).read_text() == MINE
    assert [each.name for each in tmp_path.iterdir()] == [FILE_NAME]


def test_a_link_to_the_file_keeps_leading_there(tmp_path):
    real = tmp_path / "shared" / "workspaces.toml"
    real.parent.mkdir()
    real.write_text(MINE)
    home = tmp_path / "project"
    home.mkdir()
    (home / FILE_NAME).symlink_to(real)
    add_mount(home, "plans")
    assert (home / FILE_NAME).is_symlink()
    assert "plans" in Path(real).read_text()
