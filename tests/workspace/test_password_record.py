"""The record of a workspace's password: what is written is read, and nothing else is."""

import json

import pytest

from strongroom.crypto.keys import Key
from strongroom.errors import Misconfigured, StorageFault
from strongroom.workspace.password_record import PasswordRecord, check_of, load_record, save_record

SALT = bytes(range(32))
KEY = Key(b"\x11" * 32)
RECORD = PasswordRecord(SALT, ((1, check_of(SALT, 1, KEY)),))


def test_a_record_is_read_as_it_was_written_and_is_private(tmp_path):
    path = tmp_path / "password.json"
    assert load_record(path) is None
    save_record(path, RECORD)
    assert load_record(path) == RECORD
    assert path.stat().st_mode & 0o777 == 0o600
    both = PasswordRecord(SALT, (*RECORD.checks, (2, check_of(SALT, 2, KEY))))
    save_record(path, both)
    assert load_record(path) == both
    assert [each.name for each in tmp_path.iterdir()] == ["password.json"]


def test_a_check_tells_key_version_and_salt_apart():
    assert RECORD.is_right(1, KEY)
    assert not RECORD.is_right(1, Key(bytes(32)))
    assert not PasswordRecord(bytes(32), RECORD.checks).is_right(1, KEY)
    assert not PasswordRecord(SALT, ((2, RECORD.checks[0][1]),)).is_right(2, KEY)


def written(path, **changes):
    save_record(path, RECORD)
    document = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in document.items() if value is not ...}))
    return path


CHECK = "00" * 32
DAMAGE = {
    "a member missing": {"kdf": ...},
    "a member too many": {"note": ""},
    "another format": {"format": 2},
    "fewer iterations": {"kdf": "PBKDF2-HMAC-SHA256, 1 iterations"},
    "a short salt": {"salt": "00" * 16},
    "no hex": {"salt": "x" * 64},
    "a number as salt": {"salt": 1},
    "no key": {"keys": []},
    "three keys": {"keys": [{"version": each, "check": CHECK} for each in (1, 2, 3)]},
    "a version twice": {"keys": [{"version": 1, "check": CHECK}] * 2},
    "a version of nothing": {"keys": [{"version": 0, "check": CHECK}]},
    "a version that is true": {"keys": [{"version": True, "check": CHECK}]},
    "a short check": {"keys": [{"version": 1, "check": "00"}]},
    "keys that are none": {"keys": [1]},
    "too large": {"salt": "0" * 5_000},
}


@pytest.mark.parametrize("changes", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_record_is_refused_with_its_path(tmp_path, changes):
    path = written(tmp_path / "password.json", **changes)
    with pytest.raises(Misconfigured) as caught:
        load_record(path)
    assert (caught.value.code, caught.value.details["where"]) == ("SR-WS-111", str(path))


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b"1", b"[" * 4_000], ids=["empty", "bytes", "list", "1", "deep"]
)
def test_what_is_no_record_at_all_is_refused(tmp_path, content):
    path = tmp_path / "password.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Misconfigured, match="is damaged"):
        load_record(path)


def test_a_record_that_others_may_read_or_a_link_is_refused(tmp_path):
    path = tmp_path / "password.json"
    save_record(path, RECORD)
    (tmp_path / "link.json").symlink_to(path)
    with pytest.raises(Misconfigured) as caught:
        load_record(tmp_path / "link.json")
    assert caught.value.code == "SR-WS-110"
    path.chmod(0o640)
    with pytest.raises(Misconfigured, match="others can read it"):
        load_record(path)


def test_a_record_that_cannot_be_written_leaves_the_old_one(tmp_path):
    with pytest.raises(StorageFault) as caught:
        save_record(tmp_path / "missing" / "password.json", RECORD)
    assert caught.value.code == "SR-WS-112"
