"""A file with a private key is its owner's alone, and is made once."""

import os
import stat
from pathlib import Path

import pytest

from strongroom.crypto.key_files import read_private_file, write_private_file
from strongroom.errors import Misconfigured


def read(path, bytes_max=100):
    return read_private_file(path, bytes_max=bytes_max, code="SR-TEST-001", what="test key")


def test_what_was_written_is_read_by_its_owner_alone(tmp_path):
    path = tmp_path / "key"
    write_private_file(path, b"content")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read(path) == b"content"


def test_a_mask_makes_it_no_wider(tmp_path):
    before = os.umask(0)
    try:
        write_private_file(tmp_path / "key", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_what_is_there_is_never_overwritten(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    for taken in (path, tmp_path / "link"):
        with pytest.raises(FileExistsError):
            write_private_file(taken, b"theirs")
    assert path.read_bytes() == b"mine"
    assert not (tmp_path / "absent").exists()


def test_one_byte_more_than_the_limit_is_read_and_no_more(tmp_path):
    path = tmp_path / "key"
    write_private_file(path, b"x" * 200_000)
    assert len(read(path, 100_000)) == 100_001


def test_a_file_that_is_not_there_is_said_to_be(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "absent")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610], ids=oct)
def test_what_others_can_use_is_refused(tmp_path, mode):
    path = tmp_path / "key"
    write_private_file(path, b"content")
    path.chmod(mode)
    with pytest.raises(Misconfigured, match=rf"test key file .* others can read it \(mode {mode:04o}\)") as caught:
        read(path)
    assert (caught.value.code, caught.value.fix) == ("SR-TEST-001", f"chmod 600 {path}")


def test_what_is_no_file_is_refused_and_not_left_open(tmp_path):
    write_private_file(tmp_path / "key", b"content")
    (tmp_path / "link").symlink_to(tmp_path / "key")
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path, tmp_path / "link", tmp_path / "pipe"):
        with pytest.raises(Misconfigured):
            read(path)
    held = {os.path.realpath(descriptor) for descriptor in Path("/proc/self/fd").iterdir()}
    assert not any(each.startswith(str(tmp_path)) for each in held)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_is_refused(tmp_path):
    path = tmp_path / "key"
    write_private_file(path, b"content")
    os.chown(path, 65_534, 65_534)
    with pytest.raises(Misconfigured, match="it belongs to user 65534"):
        read(path)
