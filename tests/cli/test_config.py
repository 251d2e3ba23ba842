"""``strongroom config``: the parser of the host, its origins, and no secret on the screen."""

import pytest

from strongroom.settings.sources import known_keys
from tests.fakes.terminal import strongroom


def test_every_key_is_shown_with_value_layer_and_line(tmp_path, monkeypatch):
    (tmp_path / "strongroom.yaml").write_text("log:\n  level: debug\nlimits:\n  run_timeout_ms: 1000\n")
    monkeypatch.setenv("STRONGROOM_LIMITS__RUN_TIMEOUT_MS", "2000")
    ended = strongroom("config", "show", "--effective", "--origins", "--json", "--set", "log.format=json")
    settings = ended.document["settings"]
    assert settings.keys() == known_keys().keys()
    assert settings["log.level"] == {"value": "debug", "layer": "project", "where": f"{tmp_path}/strongroom.yaml:2"}
    assert settings["limits.run_timeout_ms"] == {
        "value": 2000,
        "layer": "environment",
        "where": "STRONGROOM_LIMITS__RUN_TIMEOUT_MS",
    }
    assert settings["log.format"] == {"value": "json", "layer": "flags", "where": "--set log.format"}
    assert settings["limits.subscriptions_max"]["layer"] == "built-in"


def test_without_effective_only_what_was_set_is_shown(tmp_path):
    assert strongroom("config", "show", "--json").document["settings"] == {}
    (tmp_path / "strongroom.yaml").write_text("log:\n  level: debug\n")
    assert strongroom("config", "show", "--json").document["settings"] == {"log.level": "debug"}


def test_a_password_is_not_shown(tmp_path):
    (tmp_path / "strongroom.yaml").write_text("database_url: postgresql+psycopg://u:hunter2@h/db\n")
    for arguments in (["--json"], [], ["--effective", "--origins"]):
        ended = strongroom("config", "show", *arguments)
        assert "***" in ended.out
        assert "hunter2" not in ended.out + ended.err


def test_a_password_is_not_taken_from_a_flag():
    ended = strongroom("config", "show", "--set", "database_url=postgresql+psycopg://u:hunter2@h/db")
    assert ended.code == 2
    assert "hunter2" not in ended.err


def test_an_unknown_key_refuses_with_its_place_and_the_nearest_name(tmp_path):
    (tmp_path / "strongroom.yaml").write_text("limits:\n  run_timeot_ms: 5\n")
    ended = strongroom("config", "validate", "--json")
    assert (ended.code, ended.out) == (78, "")
    assert ended.error["code"] == "SR-CONF-001"
    assert ended.error["details"]["where"] == f"{tmp_path}/strongroom.yaml:limits.run_timeot_ms"
    assert "run_timeout_ms" in ended.error["why"]


def test_the_callers_file_is_validated_too(tmp_path):
    file = tmp_path / "callers.yaml"
    file.write_text("callers:\n  - {name: ci, certificate: ci.example, grants: [{roles: [root], owners: '*'}]}\n")
    file.chmod(0o600)
    words = ("config", "validate", "--json", "--set", f"callers_file={file}")
    ended = strongroom(*words)
    assert (ended.code, ended.error["details"]["where"]) == (78, f"{file}:callers[0].grants[0].roles[0]")
    file.write_text(file.read_text().replace("root", "read"))
    assert strongroom(*words).document["callers"] == ["ci"]


def test_the_manifest_is_validated_too(tmp_path):
    (tmp_path / "plugins.yaml").write_text("version: 1\nplugins:\n  - name: a\n    factori: x.y:Z\n")
    ended = strongroom("config", "validate", "--set", f"plugins_file={tmp_path}/plugins.yaml")
    assert ended.code == 78
    assert f"{tmp_path}/plugins.yaml:plugins[0].factori" in ended.err
    assert "factory" in ended.err


def test_what_ships_is_valid_in_both_modes():
    for mode in ("dev", "serve"):
        ended = strongroom("config", "validate", "--mode", mode, "--json")
        assert ended.code == 0
        assert "vault" in ended.document["plugins"]


def test_a_service_ignores_a_project_file_and_says_so(tmp_path):
    (tmp_path / "strongroom.yaml").write_text("no_such_key: 1\n")
    ended = strongroom("config", "validate", "--mode", "serve", "--json")
    assert ended.code == 0
    assert f"{tmp_path}/strongroom.yaml is ignored" in ended.document["warnings"][0]
    assert "is ignored" in ended.err


@pytest.mark.parametrize("assignment", ["log.level", "=x"], ids=["no-value", "no-key"])
def test_an_assignment_without_key_or_value_is_refused(assignment):
    assert strongroom("config", "show", "--set", assignment).code in {2, 78}
