"""A host whose vault runs apart from it: the owner seals to that vault, and the host only passes on."""

import json
from pathlib import Path

import pytest

from strongroom.attest.receipt import decode_receipt
from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.probe_client import ProbeClient
from tests.fakes.vault_service import VaultService
from tests.scenarios.test_crashes import wait_for

HELLO = Path(__file__).resolve().parents[2] / "examples" / "hello" / "hello.wasm"
CONFIDENTIAL = '{"confidential": true, "vault_don_secrets": [{"key": "API_KEY"}]}'
NAMED = '{"vault_don_secrets": [{"key": "API_KEY"}]}'
CANARY = b"s3cret-canary"


def failed(probes):
    """The checks of readiness that fail, and why."""
    return {each["name"]: each["why"] for each in probes.ready()[1]["checks"] if each["result"] == "failed"}


@pytest.fixture
def service(tmp_path):
    (tmp_path / "vault").mkdir()
    made = VaultService(tmp_path / "vault")
    yield made.start()
    made.end()


@pytest.fixture
def daemon(service, state, tmp_path):
    manifest = {
        "version": 1,
        "plugins": [
            {
                "name": "vault",
                "command": ["python", "-m", "strongroom_vault"],
                "provides": ["vault@1.0.0"],
                "config": {"remote": service.section()},
            },
            {
                "name": "confidential-workflows",
                "command": ["python", "-m", "strongroom_confidential_workflows"],
                "provides": ["confidential-workflows@1.0.0-alpha"],
                "dialect": "both",
                "config": {
                    # What the operator of the vault hands out to the runners of a host.
                    "evidence": {
                        "kind": "insecure-software",
                        "authority_key_file": str(service.home / "development-ca.key"),
                    },
                    "enclave_config_file": str(service.home / "enclave-config.cbor"),
                },
            },
        ],
    }
    (tmp_path / "plugins.yaml").write_text(json.dumps(manifest))
    made = LiveDaemon(state, options=("--plugins-file", str(tmp_path / "plugins.yaml")))
    made.variables = {"STRONGROOM_OBSERVE__ENABLED": "true"}
    yield made.start()
    made.stop()


def test_an_owner_uses_a_vault_that_the_host_only_reaches(daemon, service):
    probes = ProbeClient(daemon.socket.with_name("observe.sock"))
    wait_for(lambda: "confidential backend" in failed(probes), "what the host has asked by itself")
    key = str(service.home / "vault.pub")
    identity = daemon("vault", "identity", "--vault-key", key, "--json")
    assert identity.json["vault"] == "separate", identity.err
    stored = daemon("secret", "set", "API_KEY", "--vault-key", key, stdin=CANARY)
    assert stored.code == 0, stored.err
    assert "test vault: stored with --test-only" in stored.err
    checked = daemon("secret", "check", "API_KEY", "--json")
    assert checked.json["secrets"][0]["version"] == 1

    assert daemon("workflow", "register", str(HELLO), "--name", "hello", "--attributes", NAMED).code == 0
    ran = daemon("run", "execute", "hello", "--payload", '{"who": "x"}')
    assert ran.code == 0, ran.err

    owner_key = str(service.home / "development-owner.key")
    daemon("vault", "owner-key", str(service.home / "unknown.key"))
    grant = ("vault", "manifest", "grant", "hello", "--vault-key", key, "--yes", "--owner-key")
    unknown = daemon(*grant, str(service.home / "unknown.key"))
    assert "SR-CLI-145" in unknown.err, "the vault's own words were understood"
    assert "SR-ATTEST-006" in unknown.err
    granted = daemon(*grant, owner_key)
    assert granted.code == 0, granted.err
    assert "+ readable: main/API_KEY by workflow" in granted.err
    shown = daemon("vault", "manifest", "show", "--json").json
    assert [each["key"] for each in shown["grants"][0]["secrets"]] == ["API_KEY"]

    assert service.end() == 0
    down = daemon("secret", "list")
    assert down.code == 1
    assert f"the vault at {service.address}" in down.err
    assert "see that `strongroom vault serve` runs there" in down.err
    # A status of the last seconds is shown once more.
    wait_for(lambda: daemon("status", "--json").json["plugin_problems"], "a status that asks the vault again")
    status = daemon("status", "--json").json
    (problem,) = status["plugin_problems"]
    assert problem.startswith(f"vault cannot be reached: SR-VAULT-047: the vault at {service.address}")
    assert (status["health"], status["confidential_backend"]) == ("degraded", "insecure-software")
    reasons = {each["check"]: each["why"] for each in status["health_reasons"]}
    assert reasons == {
        "confidential backend": "insecure-software gives no hardware protection",
        "vault": "it cannot be reached",
    }
    # Readiness is the same list, looked at within the last second.
    wait_for(lambda: "vault" in failed(probes), "a look at what status has found")
    assert (probes.ready()[0], failed(probes)) == (207, reasons)
    service.start()
    assert CANARY.decode() not in "".join(daemon.log) + service.said


def test_an_enclave_gets_its_secrets_from_a_vault_that_the_host_only_reaches(daemon, service):
    key = "--vault-key", str(service.home / "vault.pub")
    assert daemon("secret", "set", "API_KEY", *key, "--min-assurance", "none", stdin=CANARY).code == 0
    words = ("--name", "hello", "--attributes", CONFIDENTIAL)
    assert daemon("workflow", "register", str(HELLO), *words).code == 0
    refused = daemon("run", "execute", "hello", "--payload", '{"who": "x"}')
    assert refused.code == 1
    assert "SR-ATTEST-030" in refused.out, "nobody granted it anything"

    owner_key = "--owner-key", str(service.home / "development-owner.key")
    binary = "--binary", str(HELLO)
    granted = daemon("vault", "manifest", "grant", "hello", *owner_key, *key, *binary, "--yes")
    assert granted.code == 0, granted.err
    ran = daemon("run", "execute", "hello", "--payload", '{"who": "x"}', "--json")
    assert ran.code == 0, ran.out + ran.err
    assert ran.json["result"] == {"greeting": "hello, x", "api_key": f"present, {len(CANARY)} bytes"}
    assert ran.json["module"] == "confidential"
    receipt = daemon.state / "hello.receipt"
    assert daemon("receipt", "export", ran.json["run_id"], "--output", str(receipt)).code == 0
    assert decode_receipt(receipt.read_bytes()).vault == "separate"
    assert service.end() == 0
    assert "(2 since the start)" in service.said, "the subscription and the run"
    assert CANARY.decode() not in "".join(daemon.log) + service.said
