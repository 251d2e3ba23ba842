"""The first minutes of a user: register, set a secret, run, and try the wrong thing."""

import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HELLO = ROOT / "examples" / "hello" / "hello.wasm"
NAMED = '{"confidential": true, "vault_don_secrets": [{"key": "API_KEY"}]}'


def test_a_confidential_workflow_is_registered_and_run(daemon):
    daemon.start()
    registered = daemon("workflow", "register", str(HELLO), "--name", "hello", "--attributes", NAMED, "--json")
    assert registered.code == 0, registered.err
    assert registered.json["module"] == "confidential"
    assert len(registered.json["workflow_id"]) == len(registered.json["binary_sha256"]) == 64
    assert "secret main/API_KEY is not set" in registered.err

    early = daemon("run", "execute", "hello", "--payload", '{"who": "x"}', "--json")
    assert early.code == 1
    assert early.json["status"] == "failed"
    assert "API_KEY" in early.json["error"]

    assert daemon("secret", "set", "API_KEY", stdin=b"s3cret").code == 0
    run = daemon("run", "execute", "hello", "--payload", '{"who": "x"}', "--json")
    assert run.code == 0, run.err
    document = run.json
    assert document["run_id"].startswith("wrun_")
    assert len(document["execution_id"]) == 64
    assert document["status"] == "completed"
    assert document["result"] == {"greeting": "hello, x", "api_key": "present, 6 bytes"}
    assert (document["module"], document["backend"], document["insecure"]) == (
        "confidential",
        "insecure-software",
        True,
    )
    assert document["binary_sha256"] == registered.json["binary_sha256"]
    assert any("routing workflow to confidential execution" in line for line in daemon.log)

    bad = daemon(
        "workflow", "register", str(HELLO), "--name", "broken", "--attributes", '{"confidential": tru', "--json"
    )
    assert bad.code == 65
    assert bad.out == ""
    assert "failed to parse workflow attributes" in bad.err
    names = [w["name"] for w in daemon("workflow", "list", "--json").json["workflows"]]
    assert names == ["hello"]
    assert daemon.stop() == 0

    daemon.start()
    assert daemon("run", "get", document["run_id"], "--json").json["status"] == "completed"
    again = daemon("run", "execute", "hello", "--payload", '{"who": "y"}', "--json")
    assert again.json["result"]["greeting"] == "hello, y"
    assert b"s3cret" not in b"".join(p.read_bytes() for p in daemon.state.rglob("*") if p.is_file())
    assert "s3cret" not in "".join(daemon.log)


def test_what_dev_says_to_export_is_all_that_a_secret_needs(state):
    words = [sys.executable, "-m", "strongroom.cli", "dev", "--state-dir", str(state), "--socket", str(state / "api")]
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(state)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=state, env=bare) as host:
        try:
            hint = next(line for line in host.stdout if line.startswith("  export "))
            exports = dict(word.split("=", 1) for word in shlex.split(hint)[1:])
            store = [*words[:3], "secret", "set", "API_KEY"]
            done = subprocess.run(
                store, input=b"s3cret", env={**bare, **exports}, capture_output=True, timeout=60, check=False
            )
        finally:
            host.terminate()
    assert "STRONGROOM_STATE_DIR" not in exports
    assert done.returncode == 0, done.stderr
    assert b"warning" not in done.stderr


def test_a_client_that_knows_nothing_but_reflection_registers_a_workflow(shared):
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "clients" / "list.py"), f"unix:{shared.socket}"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=shared.state,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "SERVING" in done.stdout
    for service in ("WorkflowService", "RunService", "CapabilityService", "PluginService", "StatusService"):
        assert f"strongroom.v1.{service}" in done.stdout
    names = [w["name"] for w in shared("workflow", "list", "--json").json["workflows"]]
    assert "listed-by-reflection" in names


def test_the_demo_shows_both_results(tmp_path):
    # As a JSON document it shows them where it runs from wheels, in tests/packaging.
    environment = {"PATH": "/usr/bin:/bin", "DEMO_JSON": ""}
    done = subprocess.run(
        [sys.executable, "-m", "strongroom.cli", "demo"],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "both results are right" in done.stdout
    assert "insecure-software" in done.stdout
    assert "result   matches what the enclave signed" in done.stdout
