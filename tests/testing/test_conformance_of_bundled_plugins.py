"""Every plugin that ships passes the conformance suite, in process and, where it can, as a process."""

import inspect
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from google.protobuf import empty_pb2

from strongroom.plugin.messages import (
    action_and_trigger_pb2,
    backend_pb2,
    basic_action_pb2,
    basic_trigger_pb2,
    confidential_workflow_pb2,
    cron_pb2,
    http_pb2,
    kvstore_pb2,
    node_action_pb2,
    sdk_pb2,
    strongroom_vault_pb2,
    values_pb2,
    vault_pb2,
    workspace_pb2,
)
from strongroom.settings.manifest import load_manifest
from strongroom.settings.model import packaged_manifest
from strongroom.testing.conformance import check_plugin
from tests.fakes.releasing_vault import ReleasingVault

CANARY = "canary-in-a-payload"
IDENTICAL = sdk_pb2.ConsensusDescriptor(aggregation=sdk_pb2.AGGREGATION_TYPE_IDENTICAL)
REPORT = sdk_pb2.ReportRequest(
    encoded_payload=CANARY.encode(), encoder_name="evm", signing_algo="ecdsa", hashing_algo="keccak256"
)
OUTSIDE_A_RUN = {"workflow_execution_id": "", "reference_id": ""}


def basic_test():
    return {
        "plugin": "strongroom_basic_test.plugin:BasicTest",
        "config": {"trigger_events": 2},
        "samples": {
            ("basic-test-action@1.0.0", "PerformAction"): basic_action_pb2.Inputs(input_thing=True),
            ("basic-test-node-action@1.0.0", "PerformAction"): node_action_pb2.NodeInputs(input_thing=True),
            ("basic-test-action-trigger@1.0.0", "Action"): action_and_trigger_pb2.Input(name=CANARY),
        },
        "registrations": {
            ("basic-test-trigger@1.0.0", "Trigger"): basic_trigger_pb2.Config(name="name", number=1),
            ("basic-test-action-trigger@1.0.0", "Trigger"): action_and_trigger_pb2.Config(name="name", number=1),
        },
        "events": {("basic-test-trigger@1.0.0", "Trigger"): 2, ("basic-test-action-trigger@1.0.0", "Trigger"): 2},
    }


def kvstore():
    samples = {
        "Get": kvstore_pb2.GetRequest(key=CANARY),
        "Put": kvstore_pb2.PutRequest(key=CANARY, value=CANARY.encode()),
        "Increment": kvstore_pb2.IncrementRequest(key="number", delta=1),
        "Delete": kvstore_pb2.DeleteRequest(key="another"),
        "List": kvstore_pb2.ListRequest(prefix="canary"),
        "Workflows": kvstore_pb2.WorkflowsRequest(),
        "Drop": kvstore_pb2.DropRequest(workflow=CANARY),
    }
    return {
        "plugin": "strongroom_kvstore.plugin:KvStorePlugin",
        "samples": {("kvstore@1.0.0", method): sample for method, sample in samples.items()},
        "answers_differ": {("kvstore@1.0.0", method) for method in ("Get", "List")},
    }


def consensus():
    samples = {
        "Simple": sdk_pb2.SimpleConsensusInputs(value=values_pb2.Value(string_value=CANARY), descriptors=IDENTICAL),
        "Report": REPORT,
        "Signers": empty_pb2.Empty(),
    }
    ids = ("consensus@1.0.0-alpha", "consensus@1.0.0")
    return {
        "plugin": "strongroom_consensus.plugin:ConsensusPlugin",
        "samples": {(name, method): sample for name in ids for method, sample in samples.items()},
    }


def vault(tmp_path):
    owner = "aa" * 20
    name = vault_pb2.SecretIdentifier(key=CANARY, owner=owner)
    secrets = [vault_pb2.EncryptedSecret(id=name, encrypted_value=CANARY.encode().hex() * 10)]
    samples = {
        "vault.publicKey.get": vault_pb2.GetPublicKeyRequest(),
        "vault.secrets.get": vault_pb2.GetSecretsRequest(requests=[vault_pb2.SecretRequest(id=name)]),
        "vault.secrets.create": vault_pb2.CreateSecretsRequest(encrypted_secrets=secrets),
        "vault.secrets.update": vault_pb2.UpdateSecretsRequest(encrypted_secrets=secrets),
        "vault.secrets.delete": vault_pb2.DeleteSecretsRequest(ids=[name]),
        "vault.secrets.list": vault_pb2.ListSecretIdentifiersRequest(owner=owner),
        "vault.secrets.readable": vault_pb2.ListSecretIdentifiersRequest(),
        "vault.secrets.status": strongroom_vault_pb2.SecretStatusRequest(ids=[name]),
        "vault.identity.get": strongroom_vault_pb2.IdentityRequest(),
        "vault.manifests.get": strongroom_vault_pb2.GetManifestRequest(owner=owner),
        "vault.manifests.put": strongroom_vault_pb2.PutManifestRequest(manifest=CANARY.encode()),
        "vault.release.challenge": strongroom_vault_pb2.ChallengeRequest(execution_id=CANARY),
        "vault.release.release": strongroom_vault_pb2.ReleaseRequest(runtime_data=CANARY.encode()),
    }
    return {
        "plugin": "strongroom_vault.plugin:VaultPlugin",
        "config": {"key_file": str(tmp_path / "vault.key")},
        "samples": {("vault@1.0.0", method): sample for method, sample in samples.items()},
        "metadata": OUTSIDE_A_RUN,
    }


def cron_trigger():
    schedule = cron_pb2.Config(schedule="* * * * * *")
    return {
        "plugin": "strongroom_cron_trigger.plugin:CronTrigger",
        "config": {"fastest_interval_s": 1},
        "samples": {},
        "registrations": {("cron-trigger@1.0.0", name): schedule for name in ("Trigger", "LegacyTrigger")},
        "events": {("cron-trigger@1.0.0", name): 1 for name in ("Trigger", "LegacyTrigger")},
    }


def http_actions(url):
    return {
        "plugin": "strongroom_http_actions.plugin:HttpActionsPlugin",
        "config": {"allow_hosts": [url], "owner_requests_per_s": 1000},
        "samples": {
            ("http-actions@1.0.0-alpha", "SendRequest"): http_pb2.Request(
                url=url,
                method="POST",
                body=CANARY.encode(),
                multi_headers={"x-key": http_pb2.HeaderValues(values=[CANARY])},
            )
        },
    }


def http_trigger(tmp_path):
    key = http_pb2.AuthorizedKey(type=http_pb2.KEY_TYPE_ECDSA_EVM, public_key="0x" + "ab" * 20)
    return {
        "plugin": "strongroom_http_trigger.plugin:HttpTriggerPlugin",
        "config": {"listen": f"unix:{tmp_path}/http.sock"},
        "samples": {},
        "registrations": {("http-trigger@1.0.0-alpha", "Trigger"): http_pb2.Config(authorized_keys=[key])},
    }


def confidential_workflows(tmp_path):
    samples = {
        "Execute": confidential_workflow_pb2.ConfidentialWorkflowRequest(),
        "ProvidedTees": empty_pb2.Empty(),
        "Backend": empty_pb2.Empty(),
        "Cancel": backend_pb2.CancelExecution(execution_id="dd" * 32, reason=CANARY),
        "Receipt": backend_pb2.ReceiptRequest(execution_id="dd" * 32),
    }
    return {
        "plugin": "strongroom_confidential_workflows.plugin:ConfidentialWorkflowsPlugin",
        "config": {"spare_runners": 0, **ReleasingVault(tmp_path / "vault").config()},
        "samples": {("confidential-workflows@1.0.0-alpha", method): sample for method, sample in samples.items()},
    }


def workspace():
    samples = {
        "Get": workspace_pb2.GetRequest(mount="notes", key=CANARY),
        "Set": workspace_pb2.SetRequest(mount="notes", key=CANARY, json=CANARY.encode()),
        "Delete": workspace_pb2.DeleteRequest(mount="notes", key=CANARY),
        "List": workspace_pb2.ListRequest(mount="notes", key_prefix=CANARY),
    }
    everybody = {"notes": {"read": ["*"], "write": ["*"]}}
    return {
        "plugin": "strongroom_workspace.plugin:WorkspacePlugin",
        "config": {"mounts": everybody},
        "samples": {("workspace@1.0.0", method): sample for method, sample in samples.items()},
        "registrations": {("workspace@1.0.0", "Watch"): workspace_pb2.WatchConfig(mount="notes")},
    }


class Echo(BaseHTTPRequestHandler):
    """Answers every request with what came."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing is printed."""


@pytest.fixture
def url():
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


PLUGINS = (
    "basic_test",
    "confidential_workflows",
    "consensus",
    "cron_trigger",
    "http_actions",
    "http_trigger",
    "kvstore",
    "vault",
    "workspace",
)
KINDS = ("in process", "as a process")
IN_THE_HOST_ONLY = {"workspace"}
"""It has what is open in the host, and says so when it is started as a process."""


def test_every_plugin_of_the_manifest_is_checked():
    assert {entry.name.replace("-", "_") for entry in load_manifest(packaged_manifest())} == set(PLUGINS)


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in PLUGINS for kind in KINDS if kind == KINDS[0] or name not in IN_THE_HOST_ONLY],
)
def test_a_bundled_plugin_keeps_the_contract_of_plugins(name, kind, tmp_path, request):
    wanted = inspect.signature(globals()[name]).parameters
    known = globals()[name](*(request.getfixturevalue(fixture) for fixture in wanted))
    if kind == "as a process":
        known["plugin"] = (sys.executable, "-m", known["plugin"].partition(".")[0])
    report = check_plugin(known.pop("plugin"), known.pop("config", {}), **known)
    assert report.ok, str(report)
    assert len(report.checks) == 17
