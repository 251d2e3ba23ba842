"""Both plugins as their host runs them: processes over gRPC, restarted when they die, leaving nothing behind."""

import hashlib
import os
import queue
import select
import signal
from pathlib import Path

import pytest
from google.protobuf import empty_pb2

from strongroom.attest.evidence import EvidenceLimits
from strongroom.attest.manifest import Manifest, ManifestGrant, sign_manifest
from strongroom.attest.receipt import decode_receipt
from strongroom.attest.receipt_check import check_receipt
from strongroom.attest.verifiers import VERIFIERS
from strongroom.crypto.box import seal_to
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.crypto.signing import SigningKey
from strongroom.errors import CapabilityError, PluginFault
from strongroom.plugin.messages import (
    backend_pb2,
    capabilities_pb2,
    confidential_workflow_pb2,
    strongroom_vault_pb2,
    vault_pb2,
)
from strongroom.registry.host import PluginHost
from strongroom.registry.limits import Supervision
from strongroom.registry.registry import Registry
from strongroom.registry.states import Lifecycle
from strongroom.settings.manifest import PluginEntry
from tests.fakes.enclave_host import EXECUTION, WORKFLOW, MemoryArtifacts, packed, request_for, subscribing, triggered
from tests.fakes.plugin_host import MemoryStore
from tests.fakes.vault_owner import ALICE
from tests.guests.build import wasm

VAULT = "vault@1.0.0"
CONFIDENTIAL = "confidential-workflows@1.0.0-alpha"
CANARY = b"canary-c0ffee"


CONFIG = {
    "evidence": {"kind": "insecure-software", "authority_key_file": "${keys_dir}/development-ca.key"},
    "enclave_config_file": "${keys_dir}/enclave-config.cbor",
}


def entry(name, module, provides, config, *flags):
    return PluginEntry(
        name=name,
        enabled=True,
        required=True,
        factory=None,
        command=("python", "-m", module, *flags),
        config=config,
        provides=(provides,),
        dialect=None,
        at_most_once=(),
        pin=None,
        where=f"plugins.yaml:{name}",
    )


class Processes:
    """A plugin host with both plugins, and calls through its registry."""

    def __init__(self, directory, *, mode="dev", flags=("--insecure-accept-simulated-tee",)):
        self.registry = Registry()
        self.artifacts = MemoryArtifacts()
        self.store = MemoryStore()
        self.changes = queue.SimpleQueue()
        self.directory = directory
        self.host = PluginHost(
            [
                entry("confidential-workflows", "strongroom_confidential_workflows", CONFIDENTIAL, CONFIG),
                entry("vault", "strongroom_vault", VAULT, {"key_file": "${keys_dir}/vault.key"}, *flags),
            ],
            registry=self.registry,
            store_of=lambda _name: self.store,
            artifacts=self.artifacts,
            mode=mode,
            runtime_dir=directory,
            variables={"keys_dir": str(directory)},
            on_change=self.changes.put,
            supervision=Supervision(backoff_min_s=0.01),
        )

    def call(self, capability_id, method, message, answer, **metadata):
        request = capabilities_pb2.CapabilityRequest(
            metadata=capabilities_pb2.RequestMetadata(**metadata),
            payload=packed(message),
            method=method,
            capabilityId=capability_id,
        )
        response = self.registry.get_executable(capability_id).execute(request, timeout_s=30)
        assert response.payload.Unpack(answer)
        return answer

    def set_secret(self, key, value):
        public = self.call(
            VAULT, "vault.publicKey.get", vault_pb2.GetPublicKeyRequest(), vault_pb2.GetPublicKeyResponse()
        )
        identifier = vault_pb2.SecretIdentifier(key=key, owner=ALICE)
        sealed = seal_to(public.public_key, value).hex()
        request = vault_pb2.CreateSecretsRequest(
            encrypted_secrets=[vault_pb2.EncryptedSecret(id=identifier, encrypted_value=sealed)]
        )
        answer = self.call(VAULT, "vault.secrets.create", request, vault_pb2.CreateSecretsResponse())
        assert answer.responses[0].success, answer.responses[0].error

    def grant(self, binary_sha256, *keys):
        """Sign, with the development key of the vault's home, that the workflow may read these secrets."""
        granted = ManifestGrant(
            workflow_id=WORKFLOW,
            binary_sha256=bytes.fromhex(binary_sha256),
            config_sha256=hashlib.sha256(b"").digest(),
            secrets={("main", key): "none" for key in keys},
        )
        manifest = Manifest(owner=f"0x{ALICE}", serial=1, grants=(granted,))
        signature = sign_manifest(manifest, SigningKey.load(self.directory / "development-owner.key"))
        request = strongroom_vault_pb2.PutManifestRequest(manifest=manifest.encode(), signature=signature)
        self.call(VAULT, "vault.manifests.put", request, strongroom_vault_pb2.PutManifestResponse())

    def execute(self, request):
        answer = confidential_workflow_pb2.ConfidentialWorkflowResponse()
        return self.call(CONFIDENTIAL, "Execute", request, answer, workflow_owner=ALICE, workflow_id=WORKFLOW)

    def wait_for_restart(self, name, old_pid):
        """Return when the plugin is ready with another process."""
        while (state := self.state(name)).state is not Lifecycle.READY or state.pid in {None, old_pid}:
            self.changes.get(timeout=30)

    def state(self, name):
        return next(state for state in self.host.states() if state.name == name)


@pytest.fixture
def processes(tmp_path):
    running = Processes(tmp_path)
    running.host.start()
    yield running
    running.host.stop()


def children_of(pid):
    """Processes whose parent is ``pid``."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(status.parent.name))
    return found


def watch(pids):
    """Descriptors that become readable when their processes end."""
    return [os.pidfd_open(pid) for pid in pids]


def all_ended(watched):
    """Whether every watched process ends in time."""
    poll = select.poll()
    for descriptor in watched:
        poll.register(descriptor, select.POLLIN)
    ended = set()
    while len(ended) < len(watched) and (ready := poll.poll(20_000)):
        for descriptor, _ in ready:
            poll.unregister(descriptor)
            os.close(descriptor)
            ended.add(descriptor)
    return len(ended) == len(watched)


def greeting(answer):
    return {name: value.string_value for name, value in answer.sdk_execution_result.value.map_value.fields.items()}


def test_a_confidential_run_attests_and_gets_its_secret_through_real_plugin_processes(processes, capfd):
    processes.set_secret("API_KEY", CANARY)
    hello = processes.artifacts.add(wasm("hello"))
    request = request_for(hello, triggered(), secrets=["API_KEY"])
    with pytest.raises(CapabilityError, match="SR-ATTEST-030: .*`strongroom secret set`") as caught:
        processes.execute(request)
    assert (caught.value.origin, caught.value.name) == ("User", "PermissionDenied")
    processes.grant(hello, "API_KEY")
    answer = processes.execute(request)
    assert greeting(answer) == {"greeting": "hello, x", "api_key": "present, 13 bytes"}
    unlisted = processes.execute(request_for(hello, triggered(), execution_id="ab" * 32))
    assert greeting(unlisted)["api_key"] == "present, 13 bytes", "what the manifest grants"
    report = processes.call(CONFIDENTIAL, "Backend", empty_pb2.Empty(), backend_pb2.BackendReport())
    assert (report.label, report.insecure) == ("insecure-software", True)
    asked = backend_pb2.ReceiptRequest(execution_id=EXECUTION)
    receipt = processes.call(CONFIDENTIAL, "Receipt", asked, backend_pb2.ReceiptResponse()).receipt
    anchor = DevelopmentAuthority.load(processes.directory / "development-ca.key").fingerprint
    findings = check_receipt(
        decode_receipt(receipt),
        verifiers=VERIFIERS,
        anchors={"insecure-software": frozenset({anchor})},
        limits=EvidenceLimits(),
        result_bytes=answer.execution_result,
    )
    assert findings.holds
    assert findings.result.secrets == (("main", "API_KEY", 1),)
    printed = capfd.readouterr()
    stored = b"".join(path.read_bytes() for path in processes.directory.glob("**/*") if path.is_file())
    assert CANARY not in processes.store.everything() + stored
    assert CANARY.decode() not in printed.out + printed.err


def test_a_vault_that_was_not_told_to_accept_simulations_releases_nothing(tmp_path):
    processes = Processes(tmp_path, flags=())
    processes.host.start()
    hello = processes.artifacts.add(wasm("hello"))
    with pytest.raises(CapabilityError, match="SR-ATTEST-026") as caught:
        processes.execute(request_for(hello, triggered()))
    processes.host.stop()
    assert caught.value.name == "PermissionDenied"


@pytest.mark.parametrize("plugin", ["vault", "confidential-workflows"])
def test_a_killed_plugin_takes_its_runners_along_and_the_next_run_works(processes, plugin):
    processes.set_secret("API_KEY", b"v")
    hello = processes.artifacts.add(wasm("hello"))
    processes.grant(hello, "API_KEY")
    request = request_for(hello, triggered(), secrets=["API_KEY"])
    processes.execute(request)
    first = processes.state(plugin).pid
    watched = watch([first, *children_of(first)])
    os.kill(first, signal.SIGKILL)
    assert all_ended(watched)
    processes.wait_for_restart(plugin, first)
    assert greeting(processes.execute(request))["api_key"] == "present, 1 bytes"


def test_a_stopped_host_leaves_no_process_behind(tmp_path):
    processes = Processes(tmp_path)
    processes.host.start()
    hello = processes.artifacts.add(wasm("hello"))
    assert processes.execute(request_for(hello, subscribing())).HasField("sdk_execution_result")
    pids = [processes.state(name).pid for name in ("vault", "confidential-workflows")]
    pids += [child for pid in pids for child in children_of(pid)]
    watched = watch(pids)
    processes.host.stop()
    assert all_ended(watched)


def test_a_guest_reaches_the_capabilities_of_the_host_through_the_broker(processes):
    guest = processes.artifacts.add(wasm("async-calls"))
    result = processes.execute(request_for(guest, triggered())).sdk_execution_result
    assert "no compatible capability found for id basic-test-action@1.0.0" in result.error


def test_a_vault_without_its_key_does_not_start_on_a_serving_host(tmp_path):
    processes = Processes(tmp_path, mode="serve", flags=())
    with pytest.raises(PluginFault, match="init-key"):
        processes.host.start()
    assert not (tmp_path / "vault.key").exists()
