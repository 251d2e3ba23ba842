"""The list of copies: what lies where it was put counts, what is gone does not, and a damaged list is no empty one."""

import errno
import json
import stat
from pathlib import Path

import pytest

from strongroom.errors import StorageFault
from strongroom.workspace.mount import copies as module
from strongroom.workspace.mount.copies import Copies


@pytest.fixture
def copies(tmp_path):
    return Copies(tmp_path / "state" / "copies.json")


def put(copies, path, *versions, made_ms=1):
    copies.add(path, "notes", versions, made_ms)
    path.write_bytes(b"a copy")


def test_copies_count_for_as_long_as_they_lie_where_they_were_put(copies, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    put(copies, first, 1, 2)
    put(copies, second, 2)
    assert copies.by_version() == {1: 1, 2: 2}
    assert [(each.path, each.mount, each.key_versions) for each in copies.present()] == [
        (first, "notes", (2, 1)),
        (second, "notes", (2,)),
    ]
    first.unlink()
    assert copies.by_version() == {2: 1}


def test_a_copy_where_this_host_may_not_look_counts_and_one_whose_name_is_none_does_not(copies, tmp_path, monkeypatch):
    put(copies, tmp_path / "home of another user", 1)
    copies.add(tmp_path / ("x" * 300), "notes", [2], 1)
    look = Path.stat

    def refused(self, **options):
        if self.name == "home of another user":
            raise PermissionError(errno.EACCES, "Permission denied")
        return look(self, **options)

    monkeypatch.setattr(Path, "stat", refused)
    assert copies.by_version() == {1: 1}
    put(copies, tmp_path / "copy", 3)
    assert copies.by_version() == {1: 1, 3: 1}


def test_a_copy_at_the_place_of_another_one_takes_its_place_in_the_list(copies, tmp_path):
    put(copies, tmp_path / "copy", 1)
    put(copies, tmp_path / "copy", 3)
    assert copies.by_version() == {3: 1}


def test_the_list_is_private_and_read_by_the_next_host(copies, tmp_path):
    put(copies, tmp_path / "copy", 1)
    path = tmp_path / "state" / "copies.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Copies(path).by_version() == {1: 1}
    assert [each.name for each in path.parent.iterdir()] == ["copies.json"]


def test_the_oldest_is_forgotten_when_there_are_too_many(copies, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "COPIES_MAX", 2)
    for version in (1, 2, 3):
        put(copies, tmp_path / f"copy-{version}", version)
    assert copies.by_version() == {2: 1, 3: 1}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"copies": 1}',
        b'{"copies": [{"path": "/x"}]}',
        b'{"copies": [{"path": 1, "mount": "n", "key_versions": [1], "made_ms": 1}]}',
        b'{"copies": [{"path": "/x", "mount": "n", "key_versions": ["1"], "made_ms": 1}]}',
        b'{"copies": [{"path": "/x", "mount": "n", "key_versions": [true], "made_ms": 1}]}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_list_is_refused_and_left_as_it_is(copies, tmp_path, content):
    path = tmp_path / "state" / "copies.json"
    path.parent.mkdir()
    path.write_bytes(content)
    for call in (copies.present, lambda: copies.add(tmp_path / "copy", "notes", [1], 1)):
        with pytest.raises(StorageFault) as caught:
            call()
        assert caught.value.code == "SR-MOUNT-060"
    assert path.read_bytes() == content


def test_a_list_that_cannot_be_written_makes_no_copy(tmp_path):
    (tmp_path / "state").write_text("no directory")
    with pytest.raises(StorageFault) as caught:
        Copies(tmp_path / "state" / "copies.json").add(tmp_path / "copy", "notes", [1], 1)
    assert caught.value.code in {"SR-MOUNT-060", "SR-MOUNT-061"}


def test_a_full_disk_keeps_the_list_as_it_was(copies, tmp_path, monkeypatch):
    put(copies, tmp_path / "copy", 1)

    def full(_path, _content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_private_file", full)
    with pytest.raises(StorageFault) as caught:
        put(copies, tmp_path / "other", 2)
    assert (caught.value.code, caught.value.why) == ("SR-MOUNT-061", "No space left on device")
    assert not (tmp_path / "other").exists()
    assert json.loads((tmp_path / "state" / "copies.json").read_text())["copies"][0]["key_versions"] == [1]
