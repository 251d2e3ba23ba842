"""Confidential runs on a whole host: receipts, refusals that explain themselves, and a backend that is away."""

import json
import os
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime

import grpc
import pytest

from strongroom.attest.enclave_config import EnclaveConfig
from strongroom.attest.vault_identity import PRODUCTION_STORE
from strongroom.cli.values import to_json
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.v1 import run_pb2, workflow_pb2
from strongroom_vault.key import load_key_file
from tests.fakes import impatient_host
from tests.fakes.live_daemon import LiveDaemon
from tests.guests.build import guest
from tests.scenarios.test_crashes import CONFIDENTIAL, SAMPLES, wait_for
from tests.scenarios.test_service import Service, elsewhere, sh

FENCE = "INSECURE SIMULATION: no protection from the host operator"
LISTED = '{"confidential": true, "vault_don_secrets": [{"key": "API_KEY"}]}'
ONCE = '{"confidential": true, "vault_don_secrets": [{"key": "API_KEY"}], "retry": {"attempts_max": 1}}'
PAYLOAD = '{"who": "x"}'


def registered(host, attributes=LISTED, name="hello"):
    answer = host("workflow", "register", str(SAMPLES / "hello.wasm"), "--name", name, "--attributes", attributes)
    assert answer.code == 0, answer.err
    return answer


def executed(host, name="hello"):
    return host("run", "execute", name, "--payload", PAYLOAD, "--json")


def answered_status(host):
    """What status says once the backend has told what it is: a loaded machine needs longer than one status waits."""
    found = {}

    def answered():
        found.update(host("status", "--json").json)
        return found["confidential_backend"]

    wait_for(answered, "an answer of the confidential backend")
    return found


def exported_with_result(host, run_id, folder):
    """The document of an export; its files are run.receipt and run.result."""
    to = ("--output", str(folder / "run.receipt"), "--result-file", str(folder / "run.result"))
    done = host("receipt", "export", run_id, *to, "--decrypt", "--reason", "an audit", "--json")
    assert done.code == 0, done.err
    return done


def test_the_receipt_of_a_run_is_verified_where_there_is_no_host(daemon, tmp_path):
    daemon.start()
    registered(daemon)
    assert daemon("secret", "set", "API_KEY", stdin=b"s3cret").code == 0
    run = executed(daemon)
    assert run.code == 0, run.json["error"]
    assert (run.json["assurance"], run.json["insecure"]) == ("none", True)
    assert run.err.splitlines()[-1] == FENCE
    run_id, receipt, result = run.json["run_id"], tmp_path / "run.receipt", tmp_path / "run.result"
    got = daemon("run", "get", run_id)
    assert "assurance:" in got.out
    assert got.err.splitlines()[-1] == FENCE
    assert daemon("run", "list", "--json").json["runs"][0]["assurance"] == "none"
    exported = exported_with_result(daemon, run_id, tmp_path)
    assert (exported.json["file"], exported.json["result_bytes"]) == (str(receipt), result.stat().st_size)
    assert stat.S_IMODE(result.stat().st_mode) == 0o600
    assert b"s3cret" not in receipt.read_bytes()
    newest = daemon("audit", "tail", "-n", "50", "--json").json["records"]
    opened = [each for each in newest if each["action"] == "run.decrypt" and each["subject"] == run_id]
    assert [each["outcome"] for each in opened] == ["begun", "done"]
    assert all("an audit" in each["reason"] for each in opened)
    assert daemon.stop() == 0

    verified = daemon("receipt", "verify", str(receipt), "--result", str(result), "--json")
    assert verified.code == 0, verified.out
    assert verified.json["result_matches"] is True
    in_it = sdk_pb2.ExecutionResult.FromString(result.read_bytes())
    assert to_json(in_it.value) == run.json["result"]
    changed = tmp_path / "changed"
    changed.write_bytes(result.read_bytes().replace(b"present", b"absent?"))
    other = daemon("receipt", "verify", str(receipt), "--result", str(changed), "--json")
    assert (other.code, [each["id"] for each in other.json["failed"]]) == (1, ["result_sha256"])
    assert "not the result that the enclave signed" in other.json["failed"][0]["meaning"]
    assert (verified.json["holds"], verified.json["assurance"]) == (True, "none")
    assert verified.json["execution"]["execution_id"] == run.json["execution_id"]
    assert verified.json["execution"]["secrets_requested"] == [["main", "API_KEY"]]
    policy = ("--policy", str(SAMPLES / "production.toml"), "--policy-key", str(SAMPLES / "production.pub"))
    refused = daemon("receipt", "verify", str(receipt), *policy, "--json")
    assert refused.code == 1
    assert "SR-ATTEST-026" in {each["code"] for each in refused.json["failed"]}


@pytest.mark.parametrize(
    ("binary", "attributes", "status", "has_bytes"),
    [("trap", CONFIDENTIAL.decode(), "failed", False), ("secrets", CONFIDENTIAL.decode(), "failed", True)],
    ids=["a guest that traps has no result", "a guest that answers with an error has one"],
)
def test_the_result_of_a_failed_execution_is_compared_with_its_receipt_too(
    daemon, tmp_path, binary, attributes, status, has_bytes
):
    daemon.start()
    with daemon.channel() as api:
        api.register(guest(binary), binary, attributes.encode())
        run_id = api.execute(binary, b"{}").run.run_id
    exported_with_result(daemon, run_id, tmp_path)
    result = tmp_path / "run.result"
    verify = ("receipt", "verify", str(tmp_path / "run.receipt"), "--result")
    verified = daemon(*verify, str(result), "--json")
    assert (verified.code, verified.json["result"]["status"]) == (0, status), verified.out
    assert (verified.json["result_matches"], bool(result.read_bytes())) == (True, has_bytes)
    other = tmp_path / "other"
    other.write_bytes(result.read_bytes() + b"x")
    assert daemon(*verify, str(other), "--json").json["result_matches"] is False


def test_a_local_run_has_no_receipt_and_says_so(shared, tmp_path):
    shared("workflow", "register", str(SAMPLES / "greet.wasm"), "--name", "no-receipt")
    run = shared("run", "execute", "no-receipt", "--payload", PAYLOAD, "--json")
    assert (run.json["assurance"], run.err) == ("local", "")
    refused = shared("receipt", "export", run.json["run_id"], "--json")
    assert (refused.code, json.loads(refused.err)["error"]["code"]) == (65, "SR-RUN-071")


def test_a_secret_that_asks_for_more_is_refused_with_what_was_found_and_what_to_do(daemon):
    daemon.start()
    registered(daemon, ONCE)
    assert daemon("secret", "set", "API_KEY", "--min-assurance", "hardware", stdin=b"s3cret").code == 0
    run = executed(daemon)
    assert (run.code, run.json["error_code"]) == (1, "SR-ATTEST-031")
    shown = daemon("run", "get", run.json["run_id"], "--decrypt", "--reason", "a test").out
    assert "SR-ATTEST-031" in shown
    assert "found none, wanted hardware" in shown
    assert "do:" in shown
    assert FENCE in daemon("status").out
    status = daemon("status", "--json").json
    assert status["attestation_refusals"]["SR-ATTEST-031"] >= 1
    assert (status["health"], status["insecure"]) == ("degraded", True)


def test_a_local_run_is_told_by_name_which_secret_it_may_not_have(daemon):
    daemon.start()
    assert daemon("secret", "set", "Foo", "--min-assurance", "none", stdin=b"s3cret").code == 0
    with daemon.channel() as api:
        api.register(guest("secrets"), "secrets", b'{"vault_don_secrets": [{"key": "Foo"}]}')
        answer = api.execute("secrets", b'{"coolOutput": "test value"}')
    said = answer.result.string_value or answer.error
    assert "Foo" in said
    assert "confidential" in said, "what to do about it"
    assert "s3cret" not in said


@pytest.mark.parametrize("plugin", ["vault", "confidential-workflows"])
def test_a_run_waits_for_a_backend_that_is_away_and_then_fails_and_never_runs_locally(daemon, plugin):
    daemon.program, daemon.variables = impatient_host.PROGRAM, impatient_host.VARIABLES
    daemon.start()
    registered(daemon, CONFIDENTIAL.decode())
    assert daemon("plugin", "list").code == 0
    with daemon.channel() as api:
        for _ in range(30):
            # Again and again, until the host has given up on it.
            found = api.plugin(plugin)
            if found.state == "failed":
                break
            if found.pid and found.state == "ready":
                os.kill(found.pid, signal.SIGKILL)
            wait_for(lambda before=found: api.plugin(plugin) != before, "the next state of the plugin", 70)
        assert api.plugin(plugin).state == "failed"
        answer = api.execute("hello", PAYLOAD.encode())
    assert answer.run.status == run_pb2.RUN_STATUS_FAILED
    assert (answer.run.module, answer.run.error_code) == ("confidential", "SR-ATTEST-035")
    assert "CONFIDENTIAL_BACKEND_UNAVAILABLE" in answer.error
    assert answer.run.backend != "local"


def test_a_deleted_workflow_loses_its_grant_and_the_others_keep_theirs(daemon):
    daemon.start()
    assert daemon("secret", "set", "API_KEY", stdin=b"s3cret").code == 0
    for name in ("one", "two"):
        registered(daemon, name=name)
    assert executed(daemon, "one").code == 0
    assert daemon("workflow", "delete", "one", "--yes").code == 0
    assert executed(daemon, "two").code == 0
    signed = [line for line in daemon.log if "signed a manifest" in line]
    assert [line.split("grants=")[1][0] for line in signed] == ["1", "2", "1"]
    daemon.stop()
    daemon.start()
    assert executed(daemon, "two").code == 0
    assert len([line for line in daemon.log if "signed a manifest" in line]) == 3, "nothing changed meanwhile"


def test_serve_as_shipped_refuses_confidential_runs_with_the_reason_and_serves_the_rest(state):
    keys = state / "keys"
    keys.mkdir(mode=0o700)
    sh(f"umask 077; printf '1:%s\\n' \"$(head -c 32 /dev/urandom | base64)\" > {state}/keyring")
    made = [sys.executable, "-m", "strongroom_vault", "init-key", str(keys / "vault.key")]
    assert subprocess.run(made, check=False, capture_output=True).returncode == 0
    places = ("--set", f"keyring_file={state}/keyring", "--set", f"keys_dir={keys}")
    service = Service(state, *elsewhere(state), *places)
    host = LiveDaemon(state)
    host.socket.symlink_to(state / "s.sock")
    try:
        with host.channel() as api:
            api.register(SAMPLES / "greet.wasm", "greet")
            assert api.execute("greet", PAYLOAD.encode()).run.status == run_pb2.RUN_STATUS_COMPLETED
            assert api.plugin("vault").state == api.plugin("confidential-workflows").state == "ready"

            def refusal():
                with pytest.raises(grpc.RpcError) as refused:
                    api.register(SAMPLES / "hello.wasm", "hello", CONFIDENTIAL)
                return refused.value.details()

            assert "enclave_config_file" in (said := refusal())
            assert "CONFIDENTIAL_BACKEND_UNAVAILABLE" in said
            # With all that runners need, what is missing is somebody who says what evidence is worth.
            public = load_key_file(keys / "vault.key", store=PRODUCTION_STORE).signing.public
            (keys / "enclave-config.cbor").write_bytes(EnclaveConfig(vault_public_key=public, policy_epoch=1).encode())
            DevelopmentAuthority.generate(now=datetime.now(UTC)).save(keys / "development-ca.key")
            assert "SR-ATTEST-027" in refusal()
            listed = api.workflows.List(workflow_pb2.WorkflowServiceListRequest(), timeout=20).workflows
            assert [workflow.name for workflow in listed] == ["greet"]
    finally:
        service.stop()
