"""``strongroom keys``: how the keys stand, promoting, sealing again and retiring, against the real service."""

import json

import pytest

from strongroom.cli.main import run
from strongroom.keyring.files import load_keyring
from strongroom.keyring.sources import SecretSource
from strongroom.storage.database import Database
from tests.fakes.key_host import serving_keys
from tests.fakes.key_rig import SECRETS, KeyRig
from tests.fakes.sealed_things import Mount


@pytest.fixture
def rig(tmp_path, sqlite_url):
    database = Database.open(sqlite_url)
    yield KeyRig(database, tmp_path, 1)
    database.close()


@pytest.fixture
def served(rig, tmp_path, monkeypatch):
    monkeypatch.setenv("STRONGROOM_STATE_DIR", str(tmp_path))
    with serving_keys(rig, tmp_path / "strongroom.sock"):
        yield rig


@pytest.fixture
def said(capsys):
    """Run a command; its exit code, its document and what it said, with no secret in any of it."""

    def call(*arguments, secret_is_shown=False):
        code = run(["keys", *arguments])
        out, err = capsys.readouterr()
        if not secret_is_shown:
            shown = [secret for secret in SECRETS.values() if secret[2:] in out + err]
            assert not shown, "a secret is shown"
        return code, json.loads(out) if "--json" in arguments and out else out, err

    return call


def test_the_whole_life_of_a_version(served, said, tmp_path):
    served.add_workflow(1)
    code, out, _ = said("add", "--json")
    assert (code, out["schema"], out["version"], out["held"], out["entry"]) == (
        0,
        "strongroom.keys-added/v1",
        2,
        True,
        "",
    )
    assert served.root.versions == (2, 1)
    assert served.root.writing_version == 1, "what was added waits"
    code, out, err = said("promote", "2")
    assert (code, out) == (0, served.root.key_id(2) + "\n")
    assert "3 blobs are under older versions: strongroom keys rewrap" in err
    code, _, err = said("retire", "1", "--yes")
    assert code == 78
    assert "error: key version 1 is still needed (SR-KEY-024)\n  why: 3 blobs of table workflow_specs" in err
    code, out, _ = said("rewrap", "--wait", "--json")
    assert (code, out["schema"], out["state"], out["done"]) == (0, "strongroom.keys-rewrap/v1", "done", 3)
    code, out, err = said("retire", "1", "--yes", "--key-file", str(served.file), "--json")
    assert (code, out["changed"], out["removed_from"]) == (0, True, str(served.file))
    assert load_keyring(served.file).versions == (2,)
    assert served.root.versions == (2,)
    again = KeyRig(served.database, tmp_path)
    assert again.specs.get(f"{1:064x}").config == b"config", "the retired secret is not needed"


def test_the_status_as_text_and_as_json(served, said):
    served.workspaces.mounts.append(Mount("notes", [1], [0, 1], lambda: 1))
    code, out, err = said("status")
    assert (code, err) == (0, "")
    assert f"writing: {served.root.key_id(1)}, the highest: nothing was ever promoted" in out
    assert f"source:  file {served.file}" in out
    assert "workspace notes       1         3" in out
    code, out, _ = said("status", "--json")
    assert out["schema"] == "strongroom.keys/v1"
    assert set(out) == {"schema", "writing_version", "promoted", "source", "versions", "things", "rewrap"}
    assert out["versions"][0]["blobs"] == 3
    assert {thing["name"]: thing["blobs"] for thing in out["things"]}["workspace notes"] == {"0": 1, "1": 3}


def test_a_retired_version_that_is_still_there_is_said(served, said, tmp_path):
    said("add")
    said("promote", "2")
    code, _, err = said("retire", "1", "--yes")
    assert code == 0
    assert "Take its entry, which begins with 1:, out of the keyring" in err
    served.life.reload()
    code, out, err = said("status")
    assert "still offered" in out
    assert "take out its entry, which begins with 1: (SR-KEY-023)" in err
    code, _, err = said("retire", "1", "--yes", "--key-file", str(served.file))
    assert (code, load_keyring(served.file).versions) == (0, (2,))


def test_retiring_wants_agreement_and_asks_for_it_only_when_it_is_possible(served, said):
    code, _, err = said("retire", "1", "--no-input")
    assert (code, "it writes" in err) == (78, True)
    said("add")
    said("promote", "2")
    code, _, err = said("retire", "1", "--no-input")
    assert (code, "this needs your agreement" in err) == (2, True)
    code, out, err = said("retire", "1", "--dry-run", "--json")
    assert (code, out["retired"], out["changed"]) == (0, False, False)
    assert "nothing needs version 1; nothing was changed" in err
    assert served.root.versions == (2, 1)


@pytest.mark.parametrize("kind", ["credential", "environment"])
def test_an_entry_for_a_credential_or_the_environment_is_printed_once_with_its_command(
    rig, said, tmp_path, monkeypatch, kind
):
    monkeypatch.setenv("STRONGROOM_STATE_DIR", str(tmp_path))
    with serving_keys(rig, tmp_path / "strongroom.sock", SecretSource(kind, "where")):
        before = rig.file.read_bytes()
        code, out, err = said("add", "--json", secret_is_shown=True)
    assert (code, out["version"], out["held"], out["key_file"]) == (0, 2, False, "")
    version, secret = out["entry"].split(":")
    assert (version, len(secret)) == ("2", 43)
    begin = {
        "credential": '{ printf "%s," "$(cat)"; systemd-creds decrypt',
        "environment": "export ENCRYPTION_SECRETS=",
    }
    assert out["install"].startswith(begin[kind])
    assert secret not in err, "it is data, and said once"
    assert secret not in out["install"], "a command is seen by everybody"
    assert rig.file.read_bytes() == before


@pytest.mark.parametrize(("kind", "says"), [("tpm-file", "keys seal-tpm"), ("our-module", "what the plugin reads")])
def test_an_entry_for_another_provider_is_printed_once_with_what_to_do(rig, said, tmp_path, monkeypatch, kind, says):
    monkeypatch.setenv("STRONGROOM_STATE_DIR", str(tmp_path))
    with serving_keys(rig, tmp_path / "strongroom.sock", SecretSource(kind, "where")):
        code, out, err = said("add", "--json", secret_is_shown=True)
    assert (code, out["version"], out["install"]) == (0, 2, "")
    assert says in err
    assert out["entry"].split(":")[1] not in err


def test_without_a_host_the_file_gets_its_version_all_the_same(rig, said, tmp_path):
    code, out, err = said("add", "--key-file", str(rig.file), "--state-dir", str(tmp_path))
    assert (code, out) == (0, "2\n")
    assert "no host runs. Where nothing was ever promoted, it will write" in err
    assert load_keyring(rig.file, strict=True).versions == (2, 1)


def test_what_needs_a_host_says_that_there_is_none(said, tmp_path):
    for arguments in (["status"], ["promote", "1"], ["rewrap"], ["retire", "1", "--yes"]):
        code, _, err = said(*arguments, "--state-dir", str(tmp_path))
        assert (code, "no host at" in err) == (69, True)


@pytest.mark.parametrize(
    "arguments", [["promote", "0"], ["promote", "256"], ["retire", "x"], ["rewrap", "--rate", "-1"]]
)
def test_a_number_out_of_range_is_a_matter_of_usage(said, arguments):
    assert said(*arguments)[0] == 2


def test_a_workspace_that_is_not_open_and_a_rate_that_is_none(served, said):
    assert said("rewrap", "--workspace", "nowhere")[0] == 65
    assert said("rewrap", "--rate", "1000001")[0] == 65


def test_what_went_wrong_with_one_thing_is_said_and_counts(served, said):
    mount = Mount("notes", [1], [1], lambda: 2)
    served.workspaces.mounts.append(mount)
    said("add")
    said("promote", "2")

    def fails():
        from strongroom.errors import StorageFault

        raise StorageFault("SR-STORE-001", "the disk is full")

    mount.log.compact = fails
    code, out, err = said("rewrap", "--wait", "--json")
    assert (code, out["state"]) == (1, "done")
    assert "workspace notes: the disk is full (SR-STORE-001)" in err


def test_a_dry_run_of_rewrap_opens_everything_and_changes_nothing(served, said):
    served.add_workflow(1)
    served.write(2, 1)
    served.life.reload()
    code, out, err = said("rewrap", "--dry-run")
    assert (code, "is under version 1" in err + out) == (0, True)
    assert said("promote", "2")[0] == 0
    code, out, err = said("rewrap", "--dry-run", "--json")
    assert (code, out["schema"], out["version"]) == (0, "strongroom.keys-rewrap-check/v1", 2)
    assert out["things"] == [{"name": "table workflow_specs", "opens": 3, "closed": 0, "problems": []}]
    assert "nothing was changed" in err
    assert said("rewrap", "--dry-run", "--json")[1] == out
    assert said("rewrap", "--dry-run", "--workspace", "nowhere")[0] == 65
