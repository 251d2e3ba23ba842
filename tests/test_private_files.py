"""A file is private by its mode, or by an access list that gives nothing to anybody but the user of this process."""

import errno
import os
import struct

import pytest

from strongroom.crypto.key_files import read_private_file
from strongroom.keyring.files import load_keyring
from strongroom.private_files import ENTRIES_MAX, is_open_to_others

NAME = "system.posix_acl_access"
NOBODY = 0xFFFFFFFF
OWNER, USER, GROUP_OWNER, GROUP, MASK, OTHERS = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
READ = 4
OWN = os.geteuid()
# As a service manager writes it: the owner and one user read, nobody else does, and the mask covers that.
CREDENTIAL = (
    (OWNER, READ, NOBODY),
    (USER, READ, OWN),
    (GROUP_OWNER, 0, NOBODY),
    (MASK, READ, NOBODY),
    (OTHERS, 0, NOBODY),
)


def listed(*entries, version=2):
    return struct.pack("<I", version) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def replaced(tag, permission, user=NOBODY):
    return tuple((tag, permission, user) if entry[0] == tag else entry for entry in CREDENTIAL)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "keyring"
    path.write_text("1:" + "s" * 43)
    path.chmod(0o400)
    return path


def is_open(path):
    with path.open("rb") as file:
        return is_open_to_others(file.fileno())


def give(path, entries):
    try:
        os.setxattr(path, NAME, listed(*entries))
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            pytest.skip("this file system knows no access lists")
        raise


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_a_file_of_its_owner_alone_is_private(file, mode):
    file.chmod(mode)
    assert not is_open(file)


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o640, 0o660, 0o410, 0o602, 0o777])
def test_a_mode_that_gives_anything_to_others_is_open(file, mode):
    file.chmod(mode)
    assert is_open(file)


def test_a_credential_that_one_user_may_read_besides_is_private_and_is_taken(file):
    give(file, CREDENTIAL)
    assert file.stat().st_mode & 0o777 == 0o440, "what the kernel shows of it"
    assert not is_open(file)
    assert load_keyring(file, strict=True).versions == (1,)
    assert read_private_file(file, bytes_max=100, code="SR-X-001", what="key").startswith(b"1:")


@pytest.mark.parametrize(
    "entries",
    [
        (*CREDENTIAL[:2], (USER, READ, OWN + 1), *CREDENTIAL[2:]),
        replaced(GROUP_OWNER, READ),
        (*CREDENTIAL[:3], (GROUP, READ, 7), *CREDENTIAL[3:]),
    ],
    ids=["another user", "the group", "another group"],
)
def test_a_list_that_gives_anything_to_somebody_else_is_open(file, entries):
    give(file, entries)
    assert is_open(file)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x02\0\0",
        listed(*CREDENTIAL, version=3),
        listed(*CREDENTIAL)[:-1],
        listed(*CREDENTIAL * ENTRIES_MAX),
        listed(*replaced(OTHERS, READ)),
    ],
    ids=["empty", "no version", "another version", "cut off", "too long", "everybody"],
)
def test_a_list_that_is_not_understood_or_names_everybody_is_open(file, monkeypatch, raw):
    file.chmod(0o440)
    monkeypatch.setattr(os, "getxattr", lambda descriptor, name: raw)
    assert is_open(file)
