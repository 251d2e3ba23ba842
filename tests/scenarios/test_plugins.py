"""Plugins that misbehave: each marks itself failed, and the host serves the rest."""

import json
import shutil
import sys
from pathlib import Path

import grpc
import pytest
import yaml

from strongroom.pb.strongroom.v1 import plugin_pb2, run_pb2
from tests.fakes.live_daemon import LiveDaemon, strongroom
from tests.fakes.manifests import shipped_with
from tests.guests.build import guest
from tests.scenarios.conftest import short_directory

ROOT = Path(__file__).resolve().parents[2]
BROKEN = ROOT / "tests" / "fakes" / "broken_process.py"
SAMPLES = ROOT / "daemon" / "strongroom" / "app" / "samples"
WORDS = ("exits", "garbage", "noise", "core", "nowhere")


def manifest(state, *entries):
    path = state / "plugins.yaml"
    # JSON is YAML, and needs no quoting rules.
    path.write_text(json.dumps({"version": 1, "plugins": list(entries)}))
    return path


def broken(word, **more):
    return {"name": f"broken-{word}", "command": [sys.executable, str(BROKEN), word], **more}


WORKING = {"name": "basic-test", "factory": "strongroom_basic_test.plugin:BasicTest"}


@pytest.fixture(scope="module")
def without_vault():
    """A daemon whose vault did not start, for those who ask it for something."""
    state = short_directory()
    vault = {"name": "vault", "command": [sys.executable, str(BROKEN), "exits"], "provides": ["vault@1.0.0"]}
    daemon = LiveDaemon(state, ("--plugins-file", str(manifest(state, vault, WORKING)))).start()
    yield daemon
    daemon.stop()
    shutil.rmtree(state, ignore_errors=True)


def test_broken_plugins_are_failed_with_their_reason_and_the_rest_works(state):
    path = manifest(state, *[broken(word) for word in WORDS], WORKING)
    daemon = LiveDaemon(state, ("--plugins-file", str(path))).start()
    try:
        with daemon.channel() as api:
            listed = api.plugins.List(plugin_pb2.PluginServiceListRequest(), timeout=10).plugins
            states = {p.name: p for p in listed}
            for word in WORDS:
                plugin = states[f"broken-{word}"]
                assert plugin.state in {"failed", "restarting"}, word
                assert plugin.last_error, word
            assert states["basic-test"].state == "ready"
            api.register(SAMPLES / "greet.wasm", "greet")
            assert api.execute("greet", b'{"who": "x"}').run.status == run_pb2.RUN_STATUS_COMPLETED
    finally:
        daemon.stop()


def test_a_required_plugin_that_fails_stops_the_start_by_name(state):
    path = manifest(state, broken("exits", required=True))
    answer = strongroom(state, "dev", "--state-dir", str(state), "--plugins-file", str(path))
    assert answer.code == 69
    assert "broken-exits" in answer.err


@pytest.mark.parametrize("attributes", [b'{"confidential": true}'], ids=["confidential"])
def test_without_the_backend_a_confidential_workflow_is_refused_and_never_runs_locally(state, attributes):
    path = manifest(state, WORKING)
    daemon = LiveDaemon(state, ("--plugins-file", str(path))).start()
    try:
        with daemon.channel() as api:
            with pytest.raises(grpc.RpcError) as caught:
                api.register(SAMPLES / "greet.wasm", "hidden", attributes)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
            assert "failed to get confidential-workflows capability" in caught.value.details()
            assert not daemon("workflow", "list", "--json").json["workflows"]
    finally:
        daemon.stop()


def test_status_says_why_a_backend_whose_runners_do_not_start_executes_nothing(state):
    evidence = {"kind": "tpm2", "device": "/dev/no-such-tpm", "pcrs": [0]}
    shipped = yaml.safe_load((ROOT / "plugins.yaml").read_text())["plugins"]
    entries = [entry for entry in shipped if entry["name"] in {"vault", "confidential-workflows"}]
    next(entry for entry in entries if entry["name"] == "confidential-workflows")["config"]["evidence"] = evidence
    daemon = LiveDaemon(state, ("--plugins-file", str(manifest(state, *entries)))).start()
    try:
        status = daemon("status", "--json").json
        assert (status["health"], status["confidential_backend"]) == ("degraded", "")
        (problem,) = status["plugin_problems"]
        assert problem.startswith("confidential-workflows cannot execute confidential workflows: SR-ATTEST-035")
        assert "SR-EVID-002" in problem
        assert "/dev/no-such-tpm" in problem
        assert "none: confidential workflows fail; see plugins" in daemon("status").out
    finally:
        daemon.stop()


@pytest.mark.parametrize("verb", [("list",), ("check", "K"), ("set", "K")], ids=["list", "check", "set"])
def test_a_vault_that_failed_is_named_with_its_state_its_error_and_what_to_do(without_vault, verb):
    answer = without_vault("secret", *verb, stdin=b"value")
    assert answer.code == 69
    assert "plugin vault is failed" in answer.err
    assert "(SR-CAP-008)" in answer.err
    assert "why: it did not start; correct what follows" in answer.err
    assert "do:  correct what `strongroom plugin list` shows" in answer.err


def test_a_local_run_and_a_registration_name_the_vault_that_failed(without_vault):
    with without_vault.channel() as api:
        api.register(guest("secrets"), "secrets")
        answer = api.execute("secrets", b'{"coolOutput": "test value"}')
        with pytest.raises(grpc.RpcError, match="plugin vault would offer it, and is failed") as caught:
            api.register(guest("secrets"), "listing", b'{"vault_don_secrets": [{"key": "Foo"}]}')
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "plugin vault would offer it, and is failed" in answer.error
    assert answer.help.startswith("the workflow itself reported this; correct what `strongroom plugin list` shows")


def test_a_confidential_workflow_whose_backend_went_away_fails_with_the_reason(state):
    daemon = LiveDaemon(state, shipped_with(state, "vault", "confidential-workflows")).start()
    with daemon.channel() as api:
        api.register(SAMPLES / "greet.wasm", "hidden", b'{"confidential": true}')
    daemon.stop()
    path = manifest(state, WORKING)
    daemon = LiveDaemon(state, ("--plugins-file", str(path))).start()
    try:
        with daemon.channel() as api:
            answer = api.execute("hidden", b'{"who": "x"}')
            assert answer.run.status == run_pb2.RUN_STATUS_FAILED
            assert "failed to get confidential-workflows capability" in answer.error
            assert "never runs locally" in answer.help
            assert answer.run.backend != "local"
    finally:
        daemon.stop()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"version": 1, "plugins": [{"name": "x", "factory": "a.b:C", "confg": {}}]}', "confg"),
        ('{"version": 2, "plugins": []}', "version"),
        ("version: 1\nplugins: [", "plugins.yaml"),
    ],
    ids=["an unknown key", "another version", "no yaml"],
)
def test_a_manifest_that_is_wrong_stops_the_start_with_its_place(state, text, place):
    path = state / "plugins.yaml"
    path.write_text(text)
    answer = strongroom(state, "dev", "--state-dir", str(state), "--plugins-file", str(path))
    assert answer.code == 78
    assert place in answer.err
