"""A keyring file changes as a whole: what it had stays byte for byte, with its mode, its owner and its place."""

import os
import stat
import threading

import pytest

from strongroom.errors import Conflict, LimitExceeded, Misconfigured
from strongroom.keyring.files import append_version, create_keyring, fresh_entry, load_keyring, remove_version
from strongroom.keyring.secret_text import read_secrets
from tests.fakes.key_rig import SECRETS, text_of


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "keyring"
    create_keyring(path, text_of(2, 1))
    return path


def test_a_fresh_secret_is_the_next_version_and_long_enough_for_a_service(file):
    assert append_version(file) == 3
    assert load_keyring(file, strict=True).versions == (3, 2, 1)
    added = read_secrets(file.read_text().strip())[0]
    assert (added.version, len(added.secret)) == (3, 43)


def test_what_was_there_stays_byte_for_byte(file):
    file.write_text("2:a b:c=,0x01:" + "ü" * 40 + "\r\n")
    append_version(file)
    assert file.read_text(encoding="utf-8").endswith(",2:a b:c=,0x01:" + "ü" * 40 + "\n")


def test_no_two_fresh_secrets_are_the_same():
    assert len({fresh_entry(1) for _ in range(1000)}) == 1000


def test_a_number_that_was_used_elsewhere_is_not_given_again(file):
    assert append_version(file, [7, 1]) == 8


def test_there_is_no_version_after_255(file):
    with pytest.raises(LimitExceeded, match="version 255 is the last one there is") as caught:
        append_version(file, [255])
    assert caught.value.code == "SR-KEYRING-021"
    assert load_keyring(file).versions == (2, 1)


@pytest.mark.parametrize("version", [1, 2])
def test_a_removed_version_is_gone_and_the_other_stays(file, version):
    assert remove_version(file, version)
    assert file.read_text() == SECRETS[3 - version] + "\n"
    assert not remove_version(file, version), "it is not there any more"


def test_a_version_in_another_spelling_is_removed_too(file):
    file.write_text("2:b,0x01:a")
    assert remove_version(file, 1)
    assert file.read_text() == "2:b\n"


def test_the_last_version_is_not_taken_out(file):
    remove_version(file, 2)
    with pytest.raises(Conflict, match="version 1 is the only one") as caught:
        remove_version(file, 1)
    assert caught.value.code == "SR-KEYRING-020"
    assert load_keyring(file).versions == (1,)


def test_mode_and_owner_stay(file):
    file.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(file, 12345, 54321)
    before = file.stat()
    append_version(file)
    after = file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino, "a new file took its place"


def test_a_link_stays_a_link(file, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(file)
    append_version(link)
    assert link.is_symlink()
    assert load_keyring(file).versions == (3, 2, 1)


def test_a_file_that_is_read_only_or_open_to_others_is_not_changed(file):
    before = file.read_bytes()
    for mode, code in ((0o400, "SR-KEYRING-022"), (0o640, "SR-KEYRING-004")):
        file.chmod(mode)
        with pytest.raises(Misconfigured) as caught:
            append_version(file)
        assert caught.value.code == code
        assert file.read_bytes() == before


def test_what_a_killed_command_left_is_in_nobodys_way(file):
    left = file.with_name(".keyring.new")
    left.write_text("half a li")
    append_version(file)
    assert not left.exists()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_commands_that_change_it_at_once_lose_nothing(file):
    threads = [threading.Thread(target=append_version, args=(file,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert load_keyring(file).versions == tuple(range(10, 0, -1))


@pytest.mark.parametrize("step", ["write", "chmod", "rename"])
def test_a_change_that_fails_at_any_step_leaves_the_old_file(file, monkeypatch, step):
    before = file.read_bytes()

    def fails(*_arguments, **_named):
        raise OSError(28, "No space left on device")

    name = {"write": "os.fsync", "chmod": "os.fchmod", "rename": "pathlib.Path.rename"}[step]
    with monkeypatch.context() as patched:
        patched.setattr(name, fails)
        with pytest.raises(Misconfigured, match="cannot be replaced: No space left on device"):
            append_version(file)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["keyring"]


def test_nothing_that_is_said_holds_a_secret(file, capfd, caplog):
    file.chmod(0o400)
    said = []
    for call in (
        lambda: append_version(file),
        lambda: create_keyring(file, text_of(1)),
        lambda: remove_version(file, 2),
    ):
        with pytest.raises((Misconfigured, Conflict)) as caught:
            call()
        said.append(f"{caught.value!r} {caught.value} {caught.value.with_fix()} {caught.value.details}")
    text = " ".join([*said, caplog.text, *capfd.readouterr(), repr(load_keyring(file))])
    assert not [secret for secret in SECRETS.values() if secret.split(":", 1)[1] in text]
