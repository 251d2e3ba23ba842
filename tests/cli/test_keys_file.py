"""``strongroom keys init``: a keyring is made once, for a host that has nothing yet, and is put back from a copy."""

import json
import stat

import pyrage
import pytest

from strongroom.cli.main import run
from strongroom.keyring.files import create_keyring, load_keyring
from strongroom.keyring.recovery import export_recovery
from strongroom.storage.database import Database
from tests.fakes.key_rig import SECRETS, KeyRig, text_of

ALICE = pyrage.x25519.Identity.generate()


@pytest.fixture
def said(capsys):
    def call(*arguments):
        code = run(["keys", *arguments])
        out, err = capsys.readouterr()
        assert not [secret for secret in SECRETS.values() if secret[2:] in out + err]
        assert str(ALICE) not in out + err
        return code, json.loads(out) if "--json" in arguments and out else out, err

    return call


@pytest.fixture
def copy(tmp_path):
    """A recovery file of versions 2 and 1, and the identity that opens it."""
    (tmp_path / "keyring.age").write_bytes(export_recovery(text_of(2, 1), [str(ALICE.to_public())]))
    (tmp_path / "alice.txt").write_text(f"# alice\n{ALICE}\n")
    return ("--from-recovery", "keyring.age", "--identity-file", "alice.txt")


def test_a_new_keyring_is_private_and_good_enough_for_a_service(said, tmp_path):
    code, out, err = said("init", "--state-dir", str(tmp_path / "state"), "--json")
    path = tmp_path / "state" / "keyring"
    assert (code, out["key_file"], out["recovered"]) == (0, str(path), False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    root = load_keyring(path, strict=True)
    assert out["key_ids"] == [root.key_id(1)]
    assert "keys export-recovery" in err


def test_a_keyring_that_is_there_stays(said, tmp_path):
    create_keyring(tmp_path / "keyring", text_of(1))
    code, _, err = said("init", "--key-file", "keyring")
    assert (code, "SR-KEYRING-006" in err) == (78, True)
    assert load_keyring(tmp_path / "keyring").versions == (1,)


def test_no_keyring_is_made_beside_data(said, tmp_path, sqlite_url):
    database = Database.open(sqlite_url)
    KeyRig(database, tmp_path, 1)
    database.close()
    (tmp_path / "keyring").unlink()
    code, _, err = said("init", "--state-dir", str(tmp_path))
    assert (code, "SR-KEYRING-031" in err) == (65, True)
    assert "strongroom.db holds data already" in err
    assert not (tmp_path / "keyring").exists()


def test_no_keyring_is_made_beside_projects_that_are_remembered(said, tmp_path):
    (tmp_path / "workspaces").mkdir()
    (tmp_path / "workspaces" / "known.json").write_text("{}")
    code, _, err = said("init", "--state-dir", str(tmp_path))
    assert (code, "known.json holds data already" in err) == (65, True)
    assert not (tmp_path / "keyring").exists()


def test_no_keyring_is_made_beside_a_database_of_postgresql_that_has_data(said, tmp_path, postgres, monkeypatch):
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", postgres.create_database(template="strongroom"))
    assert said("init", "--key-file", "first")[0] == 0, "a schema without a key is no data"
    url = postgres.create_database(template="strongroom")
    database = Database.open(url)
    KeyRig(database, tmp_path, 1)
    database.close()
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", url)
    code, _, err = said("init", "--key-file", "second")
    assert (code, "the database of the settings holds data already" in err) == (65, True)
    assert "postgres@" not in err


def test_a_lost_keyring_is_put_back_beside_its_data_and_everything_reads(said, tmp_path, sqlite_url, copy):
    database = Database.open(sqlite_url)
    rig = KeyRig(database, tmp_path, 1, 2)
    for number in range(20):
        rig.add_workflow(number, config=b"%d" % number)
    rig.file.unlink()
    code, out, _ = said("init", *copy, "--key-file", str(rig.file), "--json")
    assert (code, out["recovered"], out["key_ids"]) == (0, True, [rig.root.key_id(2), rig.root.key_id(1)])
    again = KeyRig(database, tmp_path)
    assert [again.specs.get(f"{number:064x}").config for number in range(20)] == [b"%d" % n for n in range(20)]
    database.close()


def test_a_copy_never_replaces_a_keyring(said, tmp_path, copy):
    create_keyring(tmp_path / "keyring", text_of(3))
    code, _, err = said("init", *copy, "--key-file", "keyring")
    assert (code, "SR-KEYRING-006" in err) == (78, True)
    assert load_keyring(tmp_path / "keyring").versions == (3,)


@pytest.mark.parametrize("half", [("--from-recovery", "keyring.age"), ("--identity-file", "alice.txt")])
def test_a_copy_and_its_identity_belong_together(said, tmp_path, copy, half):
    code, _, err = said("init", *half, "--key-file", "keyring")
    assert (code, "SR-KEYRING-032" in err) == (65, True)
    assert not (tmp_path / "keyring").exists()


def test_a_copy_that_does_not_open_makes_nothing(said, tmp_path, copy):
    (tmp_path / "alice.txt").write_text(str(pyrage.x25519.Identity.generate()))
    code, _, err = said("init", *copy, "--key-file", "keyring")
    assert (code, "SR-KEYRING-028" in err) == (78, True)
    assert not (tmp_path / "keyring").exists()


def test_where_nothing_is_there_is_nothing_to_add_to(said, tmp_path):
    code, _, err = said("add", "--state-dir", str(tmp_path / "state"))
    assert (code, "SR-KEYRING-033" in err) == (78, True)
