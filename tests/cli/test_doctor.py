"""What the doctor finds, and what a bundle holds."""

import io
import json
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from strongroom.cli import doctor_checks
from strongroom.cli.doctor_bundle import Part, packages, packed
from strongroom.cli.doctor_checks import FilesInForce, of_host, of_machine, of_settings
from strongroom.cli.recovery_note import NAME, leave_note, read_note
from strongroom.settings.layers import load

NOW = datetime(2026, 1, 31, tzinfo=UTC)
WELL = {
    "state": "ready",
    "health": "ok",
    "mode": "serve",
    "version": "0.1.0",
    "plugin_problems": [],
    "workspace_problems": [],
    "audit_problems": [],
    "trigger_problems": [],
    "runner_missing": [],
    "confidential_missing": [],
    "insecure": False,
    "confidential_backend": "nitro",
    "memory_lock": "two units",
    "reload_problem": "",
    "needs_restart": [],
    "disk_is_low": False,
    "backup_time": (NOW - timedelta(days=1)).isoformat(),
}


def levels(findings):
    return {(each.name, each.level) for each in findings}


def test_a_host_that_is_well_has_nothing_but_ok():
    assert {each.level for each in of_host(WELL, NOW)} == {"ok"}


@pytest.mark.parametrize(
    ("change", "name", "level", "said"),
    [
        ({"state": "draining"}, "host", "problem", "draining"),
        ({"plugin_problems": ["vault is failed: x"]}, "plugin", "problem", "vault is failed: x"),
        ({"workspace_problems": ["notes is not open"]}, "workspace", "problem", "notes"),
        ({"audit_problems": ["it takes no record"]}, "audit", "problem", "no record"),
        ({"trigger_problems": ["prices hears nothing"]}, "trigger", "note", "prices"),
        ({"runner_missing": ["landlock: Function not implemented"]}, "runners", "problem", "landlock"),
        ({"confidential_missing": ["seccomp: EPERM"]}, "enclaves", "problem", "seccomp"),
        ({"confidential_missing": ["own-user: user 7 started it"]}, "enclaves", "note", "own-user"),
        ({"insecure": True}, "enclaves", "note", "no hardware protection"),
        ({"memory_lock": "not locked: the kernel is too old"}, "memory", "note", "too old"),
        ({"reload_problem": "plugins.yaml:plugins[0]"}, "reload", "problem", "plugins.yaml"),
        ({"needs_restart": ["state_dir"]}, "reload", "note", "state_dir"),
        ({"disk_is_low": True}, "disk", "problem", "read-only"),
        ({"backup_time": None}, "backup", "note", "none yet"),
        ({"backup_time": (NOW - timedelta(days=30)).isoformat()}, "backup", "note", "30.0 days"),
    ],
)
def test_what_is_wrong_with_a_host_is_told(change, name, level, said):
    found = [each for each in of_host({**WELL, **change}, NOW) if (each.name, each.level) == (name, level)]
    assert any(said in each.found for each in found), found


def test_an_engine_with_known_holes_is_a_problem(monkeypatch):
    real = doctor_checks.metadata.version
    monkeypatch.setattr(doctor_checks.metadata, "version", lambda name: "49.9.9" if name == "wasmtime" else real(name))
    assert ("wasmtime", "problem") in levels(of_machine())


def test_the_files_that_are_looked_at_are_those_that_a_running_host_names(tmp_path):
    tmp_path.chmod(0o750)
    told = {"plugins_file": "/p", "callers_file": None, "state_dir": str(tmp_path), "keyring_file": "/k"}
    found = {each.name: each for each in of_settings(FilesInForce.of(told))}
    assert str(tmp_path) in found["state"].found
    assert "/k is not there" in found["keyring"].found
    assert FilesInForce.of({**told, "callers_file": "/c"}).callers_file == Path("/c")


def test_a_state_that_others_can_read_is_a_problem(tmp_path):
    loaded = load("dev", {"state_dir": tmp_path}, tmp_path, {})
    tmp_path.chmod(0o700)
    assert ("state", "problem") not in levels(of_settings(loaded.settings))
    tmp_path.chmod(0o750)
    assert ("state", "problem") in levels(of_settings(loaded.settings))


def test_a_keyring_that_others_can_read_is_a_problem(tmp_path):
    loaded = load("dev", {"state_dir": tmp_path}, tmp_path, {})
    loaded.settings.keyring_file.write_text("1:" + "s" * 43)
    loaded.settings.keyring_file.chmod(0o640)
    assert ("keyring", "problem") in levels(of_settings(loaded.settings))
    loaded.settings.keyring_file.chmod(0o600)
    assert ("keyring", "ok") in levels(of_settings(loaded.settings))


def test_a_manifest_that_cannot_be_read_is_a_problem(tmp_path):
    (tmp_path / "plugins.yaml").write_text("version: 1\nplugins: {}\n")
    loaded = load("dev", {"state_dir": tmp_path, "plugins_file": tmp_path / "plugins.yaml"}, tmp_path, {})
    assert ("files", "problem") in levels(of_settings(loaded.settings))


def test_a_callers_file_that_was_cut_is_a_problem(tmp_path):
    file = tmp_path / "callers.yaml"
    file.write_text("callers:\n  - {name: ci, certificate: ci.example, grants: []}")
    file.chmod(0o600)
    loaded = load("dev", {"state_dir": tmp_path, "callers_file": file}, tmp_path, {})
    (found,) = [each for each in of_settings(loaded.settings) if each.name == "files"]
    assert (found.level, "(SR-CONF-003)" in found.found) == ("problem", True)
    assert found.fix == "write all of it, with a line break at its end"


def test_a_recovery_file_is_asked_for_until_one_was_verified(tmp_path):
    loaded = load("dev", {"state_dir": tmp_path}, tmp_path, {})
    assert ("recovery", "note") in levels(of_settings(loaded.settings))
    assert leave_note(tmp_path, ["k1-0a1b2c3d"])
    assert ("recovery", "ok") in levels(of_settings(loaded.settings))
    assert not leave_note(tmp_path / "elsewhere", ["k1-0a1b2c3d"])


@pytest.mark.parametrize(
    "text", ["", "[]", '{"key_ids": []}', '{"key_ids": ["\\u001b[31m"]}', "{" * 10_000, '{"key_ids": 7}']
)
def test_a_note_that_nobody_here_wrote_is_none(tmp_path, text):
    (tmp_path / NAME).write_text(text)
    assert read_note(tmp_path) is None


def test_a_bundle_begins_with_its_list_and_masks_what_its_name_says_is_secret():
    raw = packed([Part("a.json", "letters", {"token": "t0ps3cret", "size": 3, "list": [{"password": "hunter2"}]})])
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        names = archive.getnames()
        documents = [json.load(archive.extractfile(name)) for name in names]
    assert names == ["strongroom-doctor/contents.json", "strongroom-doctor/a.json"]
    assert documents[0] == {"a.json": "letters"}
    assert documents[1] == {"token": "***", "size": 3, "list": [{"password": "***"}]}


def test_what_stands_inside_of_a_secret_is_masked_as_a_whole():
    raw = packed(
        [Part("a.json", "letters", {"token": {"value": "t0ps3cret"}, "password": ["hunter2"], "some": {"a": 1}})]
    )
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        document = json.load(archive.extractfile("strongroom-doctor/a.json"))
    assert document == {"token": "***", "password": "***", "some": {"a": 1}}


def test_a_bundle_names_every_package():
    assert {"strongroom", "grpcio", "wasmtime"} <= packages().keys()
