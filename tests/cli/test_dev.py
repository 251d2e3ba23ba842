"""``dev``, ``serve`` and ``demo``: which settings they hand to the application, and what they print."""

import sys
import types
from pathlib import Path

import pytest

from strongroom.cli import main
from strongroom.errors import Misconfigured
from strongroom.registry.states import Lifecycle, PluginState
from tests.fakes.terminal import strongroom


@pytest.fixture
def application(monkeypatch):
    """The application as the command line sees it; ``seen`` is what it was called with."""
    seen = types.SimpleNamespace(calls=[], down=[], answer=0, error=None, existed=None)

    def run_daemon(settings, *, mode, ready=None, warnings=(), read_again=None):
        assert read_again().settings.model_dump() == settings.model_dump(), "a reload finds what the start found"
        seen.calls.append((settings, mode, tuple(warnings)))
        seen.existed = settings.state_dir.exists()
        if seen.error is not None:
            raise seen.error
        ready(seen.down)
        return seen.answer

    def run_demo(*, as_json):
        seen.calls.append(as_json)
        return 0

    monkeypatch.setitem(sys.modules, "strongroom.app.daemon", types.SimpleNamespace(run_daemon=run_daemon))
    monkeypatch.setitem(sys.modules, "strongroom.app.demo", types.SimpleNamespace(run_demo=run_demo))
    return seen


def test_dev_with_a_directory_keeps_everything_in_it(application, tmp_path):
    ended = strongroom("dev", "--state-dir", "state", "--json")
    settings, mode, _ = application.calls[0]
    assert (ended.code, mode) == (0, "dev")
    assert settings.state_dir == tmp_path / "state"
    assert ended.document["socket"] == str(tmp_path / "state" / "strongroom.sock")
    for path in (settings.cache_dir, settings.runtime_dir, settings.keys_dir, settings.keyring_file, settings.socket):
        assert path.is_relative_to(tmp_path / "state")
    assert settings.reflects("dev")


def test_dev_says_exactly_what_to_type_next(application, tmp_path):
    shown = strongroom("dev", "--state-dir", str(tmp_path / "my state")).out
    assert f"export STRONGROOM_STATE_DIR='{tmp_path}/my state'" in shown
    assert "strongroom workflow register" in shown


def test_dev_says_which_plugins_are_not_there(application):
    assert "strongroom is ready\n" in strongroom("dev").out
    application.down = [
        PluginState(name="feed", kind="process", state=Lifecycle.FAILED, last_error="config.ulr: no such key")
    ]
    assert (
        "strongroom is ready, but 1 plugin is not:\n  feed: failed · config.ulr: no such key\n" in strongroom("dev").out
    )
    application.down.append(PluginState(name="other", kind="in-process", state=Lifecycle.RESTARTING))
    assert "strongroom is ready, but 2 plugins are not:\n" in strongroom("dev").out
    for verb in (("dev",), ("serve", "--state-dir", "state")):
        assert strongroom(*verb, "--json").document["plugins_down"] == [
            {"name": "feed", "error": "config.ulr: no such key"},
            {"name": "other", "error": ""},
        ]


def test_dev_says_that_it_simulates_and_by_which_acts_its_vault_takes_that(application, tmp_path):
    fence = "INSECURE SIMULATION: no protection from the host operator"
    policy = f"its policy is for tests: {tmp_path}/state/keys/vault-policy.toml, made by the vault where there was none"
    flag = "the process of plugin vault was given --insecure-accept-simulated-tee"
    assert f"{fence}\n  {flag}\n  {policy}\n" in strongroom("dev", "--state-dir", "state").out
    as_json = strongroom("dev", "--state-dir", "state", "--json").document
    assert as_json["simulation"] == {"warning": fence, "acts": [flag, policy]}
    (tmp_path / "none.yaml").write_text("version: 1\nplugins: []\n")
    without = strongroom("dev", "--state-dir", "state", "--plugins-file", "none.yaml")
    assert fence not in without.out


def test_dev_with_another_socket_names_the_socket(application, tmp_path):
    shown = strongroom("dev", "--state-dir", "state", "--socket", "/run/x.sock").out
    assert "export STRONGROOM_SOCKET=/run/x.sock" in shown


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (("--socket", "/run/x.sock"), "STRONGROOM_SOCKET=/run/x.sock STRONGROOM_VAULT_PUBLIC_KEY_FILE={0}/state/keys"),
        (("--set", "keys_dir=k"), "STRONGROOM_STATE_DIR={0}/state STRONGROOM_VAULT_PUBLIC_KEY_FILE={0}/k"),
        ((), "STRONGROOM_STATE_DIR={0}/state\n"),
    ],
    ids=["another socket", "other keys", "as usual"],
)
def test_dev_names_the_key_of_its_vault_where_a_client_would_not_find_it(application, tmp_path, options, shown):
    for directory in ("state/keys", "k"):
        (tmp_path / directory).mkdir(parents=True)
        (tmp_path / directory / "vault.pub").write_text("ab" * 32)
    assert "export " + shown.format(tmp_path) in strongroom("dev", "--state-dir", "state", *options).out


def test_dev_without_a_directory_uses_one_that_is_gone_afterwards(application):
    ended = strongroom("dev", "--json")
    state_dir = Path(ended.document["state_dir"])
    assert ended.document["temporary"] is True
    assert application.existed
    assert not state_dir.exists()


def test_dev_respects_a_directory_of_the_environment(application, monkeypatch, tmp_path):
    monkeypatch.setenv("STRONGROOM_STATE_DIR", str(tmp_path / "mine"))
    document = strongroom("dev", "--json").document
    assert document["state_dir"] == str(tmp_path / "mine")
    assert document["temporary"] is False


def test_a_temporary_directory_is_removed_after_a_failed_start(application):
    application.error = Misconfigured("SR-CONF-002", "no")
    ended = strongroom("dev")
    assert ended.code == 78
    assert not application.calls[0][0].state_dir.exists()


def test_serve_reads_no_project_file_and_passes_the_warning_on(application, tmp_path):
    (tmp_path / "strongroom.yaml").write_text("state_dir: /nowhere\n")
    ended = strongroom("serve")
    settings, mode, warnings = application.calls[0]
    assert (ended.code, ended.out, mode) == (0, "", "serve")
    assert settings.state_dir == Path("/var/lib/strongroom")
    assert settings.socket == Path("/run/strongroom/strongroom.sock")
    assert not settings.reflects("serve")
    assert "is ignored" in warnings[0]


def test_the_service_program_is_serve(application, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["strongroomd", "--set", "limits.runners_max=3"])
    with pytest.raises(SystemExit) as ended:
        main.serve_main()
    assert ended.value.code == 0
    assert application.calls[0][0].limits.runners_max == 3


def test_the_service_program_knows_its_version(application, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["strongroomd", "--version"])
    with pytest.raises(SystemExit) as ended:
        main.serve_main()
    assert ended.value.code == 0
    assert not application.calls


def test_flags_win_over_assignments(application):
    strongroom("dev", "--log-level", "debug", "--set", "log.level=error", "--set", "log.format=json")
    settings = application.calls[0][0]
    assert (settings.log.level, settings.log.format) == ("debug", "json")


@pytest.mark.parametrize("arguments", [["--log-level", "loud"], ["--set", "nope=1"]], ids=["bad-level", "unknown-key"])
def test_a_wrong_setting_stops_the_start(application, arguments):
    assert strongroom("dev", *arguments).code == 78
    assert not application.calls


def test_a_socket_path_that_is_too_long_stops_the_start(application, tmp_path):
    ended = strongroom("dev", "--state-dir", str(tmp_path / ("x" * 120)))
    assert ended.code == 78
    assert "at most 107 bytes" in ended.err
    assert not application.calls


@pytest.mark.parametrize(("value", "as_json"), [("1", True), ("0", False), ("", False)], ids=["set", "zero", "empty"])
def test_demo_prints_json_when_the_environment_says_so(application, monkeypatch, value, as_json):
    monkeypatch.setenv("DEMO_JSON", value)
    assert strongroom("demo").code == 0
    assert application.calls == [as_json]
