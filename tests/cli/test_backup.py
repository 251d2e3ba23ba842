"""``strongroom backup`` and ``strongroom db`` without a host: what they say, and what they end with."""

import json
import os
import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from strongroom.app.daemon import Daemon
from strongroom.backup import room
from strongroom.backup.reading import begins_as_a_backup
from strongroom.cli.failure import Failure
from strongroom.cli.main import run
from strongroom.cli.replaced_file import replaced_file
from strongroom.errors import Misconfigured
from strongroom.settings.model import Settings
from strongroom.storage.schema_version import SCHEMA_VERSION
from tests.fakes.backup_rig import BackupRig
from tests.fakes.key_rig import text_of
from tests.fakes.old_database import old_database


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The state directory of a host that was stopped, and a backup of it."""
    directory = tmp_path_factory.mktemp("made")
    rig = BackupRig(directory / "state", 1, 2)
    rig.every_kind()
    rig.begun(50)
    rig.back_up(directory / "host.tar")
    rig.stop()
    return directory


@pytest.fixture
def host(made, tmp_path):
    """A copy of it that a test may spoil."""
    shutil.copytree(made / "state", tmp_path / "state")
    shutil.copy(made / "host.tar", tmp_path / "host.tar")
    other = tmp_path / "other"
    other.write_text(text_of(3))
    other.chmod(0o600)
    return tmp_path / "state"


@pytest.fixture
def said(capsys):
    def call(*arguments):
        code = run(list(arguments))
        out, err = capsys.readouterr()
        return code, json.loads(out) if "--json" in arguments and out else out, err

    return call


def at(state):
    return "--state-dir", str(state)


def listing(directory):
    return {path: path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def test_a_backup_holds_or_does_not_and_the_exit_code_says_which(host, said):
    code, out, err = said("backup", "verify", "host.tar", *at(host))
    assert (code, "holds: 5 runs" in out) == (0, True)
    assert "values opened, with k1-" in out
    code, _, err = said("backup", "verify", "host.tar", *at(host), "--key-file", "other")
    assert (code, "SR-BACKUP-011" in err) == (78, True)
    assert re.search(r"it needs key k1-[0-9a-f]+, k2-[0-9a-f]+ ", err), "each that is missing"
    data = bytearray((host.parent / "host.tar").read_bytes())
    data[len(data) // 2] ^= 1
    (host.parent / "host.tar").write_bytes(data)
    code, _, err = said("backup", "verify", "host.tar", *at(host))
    assert (code, "SR-BACKUP-007" in err) == (65, True)
    code, _, err = said("backup", "verify", "nothing.tar", *at(host))
    assert (code, "nothing.tar" in err) == (74, True)


def test_verifying_leaves_nothing_beside_the_backup(host, said):
    before = listing(host.parent)
    assert said("backup", "verify", "host.tar", *at(host))[0] == 0
    assert listing(host.parent) == before


def test_without_a_keyring_it_says_how_to_name_one(host, said):
    code, _, err = said("backup", "verify", "host.tar", *at(host.parent / "elsewhere"))
    assert (code, "SR-BACKUP-023" in err, "--key-file" in err) == (78, True, True)


def test_a_restore_says_what_goes_on_and_refuses_a_place_that_is_not_empty(host, said):
    key = ("--key-file", str(host / "keyring"))
    code, _, err = said("backup", "restore", "host.tar", *at(host), *key, "--yes")
    assert (code, "SR-BACKUP-017" in err) == (65, True)
    code, _, err = said("backup", "restore", "host.tar", *at("new"), *key)
    assert (code, "SR-CLI-002" in err) == (2, True)
    code, out, err = said("backup", "restore", "host.tar", *at("new"), *key, "--yes", "--json")
    assert (code, out["schema"], out["unfinished_runs"]) == (0, "strongroom.backup-restored/v1", 1)
    assert "1 runs were under way" in err
    assert (host.parent / "new").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o750], ids=oct)
def test_a_state_directory_that_is_open_to_others_is_refused_as_by_a_start_of_the_host(host, said, tmp_path, mode):
    new = tmp_path / "new"
    new.mkdir()
    new.chmod(mode)
    code, _, err = said("backup", "restore", "host.tar", *at(new), "--key-file", str(host / "keyring"), "--yes")
    assert (code, "SR-APP-003" in err, f"chmod 700 {new}" in err) == (78, True, True), err
    with pytest.raises(Misconfigured) as caught:
        Daemon(Settings(state_dir=new), mode="serve").start()
    assert caught.value.code == "SR-APP-003"
    assert list(new.iterdir()) == []


def test_a_database_is_looked_at_and_not_a_byte_of_it_is_changed(host, said):
    before = listing(host)
    code, out, err = said("db", "check", *at(host), "--json")
    assert code == 0, err
    assert (out["sound"], out["schema_version"], out["unfinished_runs"]) == (True, SCHEMA_VERSION, 1)
    assert out["rows"]["runs"] == 5
    assert set(out["opened"]) >= {"runs", "run_events", "stream_chunks", "hooks"}
    assert listing(host) == before
    code, out, _ = said("db", "check", *at(host))
    assert (code, "sqlite, sound" in out) == (0, True)


def test_what_is_wrong_with_a_database_is_said(host, said):
    code, _, err = said("db", "check", *at(host), "--key-file", "other")
    assert (code, "SR-KEY-003" in err) == (78, True)
    with sqlite3.connect(host / "strongroom.db") as database:
        database.execute("UPDATE runs SET status = 'completed'")
    database.close()
    code, out, err = said("db", "check", *at(host))
    assert (code, "NOT SOUND" in out, "SR-SEAL-001" in err) == (65, True, True)
    data = bytearray((host / "strongroom.db").read_bytes())
    data[4096:6144] = b"\xff" * 2048
    (host / "strongroom.db").write_bytes(data)
    code, _, err = said("db", "check", *at(host))
    assert code in {65, 74}


def test_without_a_database_or_a_keyring_it_says_so(host, said):
    (host / "keyring").unlink()
    code, out, err = said("db", "check", *at(host), "--json")
    assert (code, out["keyring_checked"], "no keyring was found" in err) == (0, False, True)
    (host.parent / "empty").mkdir()
    code, _, err = said("db", "check", *at(host.parent / "empty"))
    assert (code, "SR-STORE-061" in err) == (74, True)
    assert list((host.parent / "empty").iterdir()) == []


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    return old_database(tmp_path_factory.mktemp("older"), "0005")[0]


@pytest.fixture
def old(host, older):
    """The host with a database of an older release."""
    shutil.copy(older, host / "strongroom.db")
    (host / "keyring").write_text(text_of(1))
    return host


def test_what_a_migration_would_do_is_said_and_nothing_is_written(old, said):
    before = listing(old)
    code, out, err = said("db", "migrate", "--dry-run", *at(old), "--json")
    assert code == 0, err
    assert (out["from"], out["to"], out["changed"], out["has_room"]) == ("0005", SCHEMA_VERSION, False, True)
    assert [step["revision"] for step in out["steps"]] == ["0006"]
    assert out["steps"][0]["what"].startswith("Hooks and streams")
    assert out["bytes_needed"] > (old / "strongroom.db").stat().st_size
    assert listing(old) == before
    code, _, err = said("db", "check", *at(old))
    assert (code, "db migrate --dry-run" in err) == (0, True)


def test_a_dry_run_without_room_for_the_backup_says_the_numbers(old, said, monkeypatch):
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10, 10, 10))
    code, _, err = said("db", "migrate", "--dry-run", *at(old))
    assert (code, "10 are free" in err) == (1, True)


def test_a_migration_by_hand_makes_its_backup_and_is_done_once(old, said):
    code, out, err = said("db", "migrate", *at(old), "--json")
    assert (code, out["changed"]) == (0, True), err
    assert said("backup", "verify", out["backup"], *at(old))[0] == 0
    code, out, err = said("db", "migrate", *at(old), "--json")
    assert (code, out["steps"], out["changed"], "nothing to do" in err) == (0, [], False, True)


def test_only_a_backup_is_replaced_and_no_directory_is_one(host, said, tmp_path):
    for name, holds in (("empty", b""), ("keyring", b"k1 hex"), ("tail.tar", (tmp_path / "host.tar").read_bytes()[9:])):
        (tmp_path / name).write_bytes(holds)
    (tmp_path / "link").symlink_to(tmp_path / "host.tar")
    os.mkfifo(tmp_path / "pipe")
    names = "host.tar", "empty", "keyring", "tail.tar", "link", "pipe", "state"
    assert [begins_as_a_backup(tmp_path / name) for name in names] == [True, True, False, False, False, False, False]
    assert begins_as_a_backup(Path("/dev/null")) is False, "root would take it away from everybody"
    code, _, err = said("backup", "verify", str(tmp_path), *at(host))
    assert (code, "no regular file" in err) == (65, True), "and not the number of a descriptor"


def test_what_is_at_the_place_is_replaced_only_as_long_as_it_may_be(tmp_path):
    place = tmp_path / "of"
    place.write_bytes(b"mine")
    with pytest.raises(Failure, match="none of the files"), replaced_file(place, lambda _: False):
        pytest.fail("nothing is asked of a host before")
    allowed = iter((True, False))
    with pytest.raises(Failure, match="none of the files"), replaced_file(place, lambda _: next(allowed)) as write:
        write(b"new")
    assert listing(tmp_path) == {place: b"mine"}
    with replaced_file(place, lambda _: True) as write:
        write(b"new")
    assert listing(tmp_path) == {place: b"new"}


def test_a_place_beside_the_state_directory_that_is_taken_is_named_with_what_names_another(host, said, tmp_path):
    taken = tmp_path / "audit.jsonl"
    taken.write_text("of another host")
    new, keyring = str(tmp_path / "new"), str(host / "keyring")
    words = "--key-file", keyring, "--state-dir", new, "--audit-file", str(taken), "--yes"
    code, _, err = said("backup", "restore", "host.tar", *words)
    assert (code, f"{taken} is there already" in err, "--audit-file" in err) == (65, True, True)
    assert taken.read_text() == "of another host"


def test_a_backup_with_a_vault_is_said_to_need_the_key_of_it(tmp_path, said):
    rig = BackupRig(tmp_path / "state", 1)
    (tmp_path / "state" / "vault").mkdir()
    with sqlite3.connect(tmp_path / "state" / "vault" / "vault.db") as database:
        database.execute("create table kept (value)")
    rig.back_up(tmp_path / "host.tar")
    rig.stop()
    code, _, err = said("backup", "verify", str(tmp_path / "host.tar"), *at(tmp_path / "state"))
    assert (code, "vault.key" in err) == (0, True), err
    words = "--key-file", str(tmp_path / "state" / "keyring"), "--state-dir", str(tmp_path / "new"), "--yes"
    code, _, err = said("backup", "restore", str(tmp_path / "host.tar"), *words)
    assert (code, "vault.key" in err) == (0, True), err
