"""A stop that outlasts its drain is the end of no run: what was accepted goes on at the next start, and ends there."""

import json

from strongroom.pb.strongroom.v1 import run_pb2
from tests.guests.build import guest
from tests.scenarios.test_crashes import SAMPLES, wait_for
from tests.scenarios.test_run_streams import ended, start

CONFIDENTIAL = b'{"confidential": true}'
SOON = ("limits.drain_timeout_ms=300", "limits.runners_max=2", "limits.suspend_after_ms=60000")


def manifest(state, delay_ms):
    """The plugins of this host; a step takes ``delay_ms``."""
    confidential = {
        "name": "confidential-workflows",
        "command": ["python", "-m", "strongroom_confidential_workflows"],
        "provides": ["confidential-workflows@1.0.0-alpha"],
        "dialect": "both",
        "config": {
            "evidence": {"kind": "insecure-software", "authority_key_file": "${keys_dir}/development-ca.key"},
            "enclave_config_file": "${keys_dir}/enclave-config.cbor",
        },
    }
    vault = {
        "name": "vault",
        "command": ["python", "-m", "strongroom_vault"],
        "provides": ["vault@1.0.0"],
        "config": {"key_file": "${keys_dir}/vault.key"},
    }
    basic = {
        "name": "basic-test",
        "factory": "strongroom_basic_test.plugin:BasicTest",
        "config": {"delay_ms": delay_ms},
    }
    path = state / "plugins.yaml"
    path.write_text(json.dumps({"version": 1, "plugins": [confidential, vault, basic]}))
    return path


def is_running(api, run_id):
    return api.runs.Get(run_pb2.RunServiceGetRequest(run_id=run_id), timeout=5).run.status == run_pb2.RUN_STATUS_RUNNING


def events(api, run_id):
    request = run_pb2.ListEventsRequest(run_id=run_id)
    return [(e.event_type, e.correlation_id) for e in api.runs.ListEvents(request, timeout=10).events]


def test_runs_that_a_stop_cuts_off_go_on_at_the_next_start_whatever_they_were_doing(daemon):
    daemon.options = ("--plugins-file", str(manifest(daemon.state, 600_000)))
    for each in SOON:
        daemon.options += ("--set", each)
    daemon.start()
    with daemon.channel() as api:
        api.register(guest("loop"), "computes")
        api.register(guest("sequential-calls"), "asks", config=b"1")
        api.register(SAMPLES / "greet.wasm", "waits")
        api.register(guest("sequential-calls"), "hidden", CONFIDENTIAL, config=b"1")
        runs = {"computes": start(api, "computes")}
        wait_for(lambda: ("run_started", "") in events(api, runs["computes"]), "a guest that computes")
        runs["asks"] = start(api, "asks")
        wait_for(lambda: ("step_created", "0") in events(api, runs["asks"]), "a step under way")
        runs["hidden"] = start(api, "hidden")
        wait_for(lambda: ("run_started", "") in events(api, runs["hidden"]), "a guest in an enclave")
        runs["waits"] = start(api, "waits", json=b'{"who": "you"}')
        wait_for(lambda: is_running(api, runs["waits"]), "a run without a runner")
    assert daemon.stop() == 0
    assert any("stopping; runs are waited for runs=" in line for line in daemon.log)
    assert any("runs are unfinished; they go on after the next start" in line for line in daemon.log)

    manifest(daemon.state, 0)
    daemon.start()
    with daemon.channel() as api:
        for name in ("asks", "hidden", "waits"):
            run = ended(api, runs[name])
            assert run.status == run_pb2.RUN_STATUS_COMPLETED, (name, run)
        steps = [each for each in events(api, runs["asks"]) if each[1]]
        assert steps == [("step_created", "0"), ("step_completed", "0")], "asked again under the same key"
        assert is_running(api, runs["computes"])
        assert daemon("run", "cancel", runs["computes"]).code == 0
        assert ended(api, runs["computes"]).status == run_pb2.RUN_STATUS_CANCELLED
        assert [kind for kind, _ in events(api, runs["computes"])].count("run_started") == 2
