"""Files of ours are written and removed; nothing of anybody else is, and no link is followed."""

import os

import pytest

from strongroom.errors import Misconfigured
from strongroom.workspace.materialize.owned_folder import OwnedFolder

MARK = b"mine\n"


@pytest.fixture
def folder(tmp_path):
    folder = OwnedFolder.open(tmp_path / "md", mark=MARK)
    yield folder
    folder.close()


def test_a_folder_and_its_files_are_for_their_user_alone(folder):
    assert folder.write("a.md", MARK + b"text")
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert (folder.path / "a.md").stat().st_mode & 0o777 == 0o600
    assert (folder.path / "a.md").read_bytes() == MARK + b"text"


def test_the_same_text_is_not_written_again(folder):
    folder.write("a.md", MARK + b"text")
    before = (folder.path / "a.md").stat().st_ino
    folder.write("a.md", MARK + b"text")
    assert (folder.path / "a.md").stat().st_ino == before
    folder.write("a.md", MARK + b"other")
    assert (folder.path / "a.md").read_bytes() == MARK + b"other"


@pytest.mark.parametrize("content", [b"", b"min", b"their notes"], ids=["empty", "part of our mark", "theirs"])
def test_a_file_without_our_mark_is_neither_replaced_nor_deleted(folder, content):
    (folder.path / "a.md").write_bytes(content)
    assert not folder.write("a.md", MARK + b"text")
    assert not folder.delete("a.md")
    folder.sweep(set())
    assert (folder.path / "a.md").read_bytes() == content


def test_a_link_in_a_files_place_is_left_alone_and_so_is_what_it_leads_to(folder, tmp_path):
    target = tmp_path / "target"
    target.write_bytes(MARK + b"looks like ours")
    (folder.path / "a.md").symlink_to(target)
    assert not folder.write("a.md", MARK + b"text")
    assert not folder.delete("a.md")
    folder.sweep(set())
    assert (folder.path / "a.md").is_symlink()
    assert target.read_bytes() == MARK + b"looks like ours"


def test_a_pipe_or_a_folder_in_a_files_place_is_left_alone(folder):
    os.mkfifo(folder.path / "pipe")
    (folder.path / "inner").mkdir()
    assert not folder.write("pipe", MARK)
    assert not folder.write("inner", MARK)
    assert not folder.delete("inner")


def test_a_link_in_a_folders_place_is_not_entered(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (folder.path / "inner").symlink_to(tmp_path / "elsewhere")
    with folder.inner("inner") as inner:
        assert inner is None
    with pytest.raises(Misconfigured) as refused:
        OwnedFolder.open(folder.path / "inner", mark=MARK)
    assert refused.value.code == "SR-WS-067"


def test_a_sweep_removes_what_is_ours_and_not_wanted_and_what_a_killed_process_left(folder):
    for name in ("keep.md", "stale.md"):
        folder.write(name, MARK)
    (folder.path / ".strongroom-keep.md").write_bytes(b"half a")
    (folder.path / "theirs.md").write_bytes(b"theirs")
    assert folder.sweep({"keep.md"})
    assert folder.names() == ["keep.md", "theirs.md"]
    assert not folder.sweep({"keep.md"})


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a\0"], ids=repr)
def test_a_name_that_is_no_single_segment_is_a_bug_of_the_caller(folder, name):
    for step in (lambda: folder.write(name, MARK), lambda: folder.delete(name), lambda: folder.remove_inner(name)):
        with pytest.raises(ValueError, match="one segment"):
            step()


def test_deleting_what_is_not_there_is_done_already(folder):
    assert folder.delete("a.md")
