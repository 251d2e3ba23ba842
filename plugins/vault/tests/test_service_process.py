"""``vault serve`` as it is started, called and stopped: a real process, real TLS, the plugin that passes calls on."""

import signal
import subprocess
from pathlib import Path

import grpc
import pytest
from google.protobuf import any_pb2

from strongroom.attest.release import Signed
from strongroom.attest.secret_entry import SecretEntry
from strongroom.attest.vault_identity import open_identity
from strongroom.crypto.box import BoxKey, seal_to
from strongroom.plugin import Call, CapabilityError
from strongroom.plugin.messages import capabilities_pb2, strongroom_vault_pb2, vault_pb2
from strongroom_vault.opening import open_vault
from strongroom_vault.plugin import VaultPlugin
from strongroom_vault.remote import METHODS
from strongroom_vault.settings import VaultSettings
from tests.fakes.plugin_host import MemoryStore, memory_host
from tests.fakes.vault_service import PROGRAM, VaultService

OWNER = "d8da6bf26964af9d7eed9e03e53415d37aa96045"
CANARY = b"s3cret-canary"
WAIT_S = 20


@pytest.fixture
def service(tmp_path):
    made = VaultService(tmp_path)
    yield made.start()
    made.end()


class Host:
    """A host whose plugin passes calls on."""

    def __init__(self, service, certified=None):
        self.plugin = VaultPlugin(remote=service.section(certified))
        self.plugin.start(memory_host(store=MemoryStore(), mode="serve", name="vault"))
        (self.capability,) = self.plugin.capabilities()

    def call(self, method, request, kind, *, caller="", execution_id=""):
        payload = any_pb2.Any()
        payload.Pack(request)
        metadata = capabilities_pb2.RequestMetadata(workflow_owner=caller, workflow_execution_id=execution_id)
        call = Call(metadata=metadata, payload=payload, method=method, timeout_s=WAIT_S)
        answer = kind()
        assert self.capability.methods[method](call).Unpack(answer)
        return answer

    def identity(self, public):
        answer = self.call(
            "vault.identity.get", strongroom_vault_pb2.IdentityRequest(), strongroom_vault_pb2.IdentityResponse
        )
        return open_identity(Signed(answer.body, answer.signature), vault_public=public)

    def create(self, key, box_public):
        entry = SecretEntry(
            owner=OWNER, namespace="main", key=key, value=CANARY, min_assurance="local", is_test_only=True
        )
        sealed = seal_to(box_public.hex(), entry.encode(bytes_max=1_952)).hex()
        item = vault_pb2.EncryptedSecret(id=vault_pb2.SecretIdentifier(key=key, owner=OWNER), encrypted_value=sealed)
        request = vault_pb2.CreateSecretsRequest(encrypted_secrets=[item])
        (answer,) = self.call("vault.secrets.create", request, vault_pb2.CreateSecretsResponse).responses
        return answer.error

    def get(self, key, reader):
        request = vault_pb2.SecretRequest(
            id=vault_pb2.SecretIdentifier(key=key, owner=OWNER), encryption_keys=[reader.public_hex]
        )
        answer = self.call(
            "vault.secrets.get", vault_pb2.GetSecretsRequest(requests=[request]), vault_pb2.GetSecretsResponse
        )
        (share,) = answer.responses[0].data.encrypted_decryption_key_shares
        return reader.open(bytes.fromhex(share.shares[0]))


def refused(host):
    with pytest.raises(CapabilityError) as caught:
        host.call("vault.identity.get", strongroom_vault_pb2.IdentityRequest(), strongroom_vault_pb2.IdentityResponse)
    return caught.value


def pinned(service):
    return bytes.fromhex((service.home / "vault.pub").read_text().strip())


def test_a_host_finds_a_separate_vault_behind_its_plugin_and_what_it_stores_survives_a_restart(service):
    host, reader = Host(service), BoxKey.generate()
    identity = host.identity(pinned(service))
    assert (identity.vault, identity.store) == ("separate", "test")
    assert host.create("K", identity.box_public_key) == ""
    assert host.get("K", reader) == CANARY
    assert service.end() == 0
    error = refused(host)
    assert (error.origin, error.name) == ("System", "Unavailable")
    service.start()
    grpc.channel_ready_future(host.plugin._vault._channel).result(timeout=WAIT_S)
    assert host.get("K", reader) == CANARY
    assert CANARY.decode() not in service.said
    host.plugin.stop()


def test_a_vault_knows_exactly_what_is_passed_on(service, tmp_path):
    service.end()
    settings = VaultSettings.from_config(key_file=str(service.home / "vault.key"))
    vault = open_vault(settings, memory_host().log, mode="serve", place="separate")
    try:
        assert set(vault.methods()) == set(METHODS)
    finally:
        vault.close()


def test_only_listed_hosts_are_served(tmp_path):
    service = VaultService(tmp_path)
    service.hosts = [service.host.fingerprint]
    service.start()
    try:
        assert Host(service).identity(pinned(service)).vault == "separate"
        error = refused(Host(service, service.authority.issue("other")))
        assert "is not in tls.hosts of this vault" in error.message
    finally:
        service.end()
    assert "a host that is not listed called" in service.said


def test_it_says_what_it_is_when_it_is_ready_and_that_it_accepts_simulations_at_both_ends(service):
    public = (service.home / "vault.pub").read_text().strip()
    assert service.ready["vault_public_key"] == public
    assert service.ready["insecure"] is True
    assert service.end() == 0
    assert f"key:    {public}" in service.said
    first, last = service.said.index("INSECURE SIMULATION:"), service.said.rindex("INSECURE SIMULATION:")
    assert first < service.said.index("listens at") < last


def test_a_process_of_a_vault_leaves_no_core_file(service):
    limits = (Path("/proc") / str(service.process.pid) / "limits").read_text()
    assert "Max core file size        0                    0" in limits


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_it_well(service, number):
    assert service.end(number) == 0
    assert "stopping" in service.said


def started(service, *options):
    return subprocess.run(
        [*PROGRAM, "--config", str(service.config), *options], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_vault_for_production_does_not_start_with_the_flag_for_simulations(tmp_path):
    service = VaultService(tmp_path, is_test=False)
    ended = started(service, "--insecure-accept-simulated-tee")
    assert ended.returncode == 78
    assert "error: " in ended.stderr
    assert "  do:  " in ended.stderr
    assert not ended.stdout


def test_a_value_that_no_vault_takes_stops_the_start(tmp_path):
    service = VaultService(tmp_path)
    path = service.config
    path.write_text("attempts_max = 0\n" + path.read_text())
    ended = subprocess.run(
        [*PROGRAM, "--config", str(path), "--json"], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 78
    assert '"code": "SR-VAULT-049"' in ended.stderr
    assert "attempts_max" in ended.stderr


def test_two_vaults_never_have_one_file(service):
    ended = started(service)
    assert ended.returncode == 78
    assert "error: " in ended.stderr


def test_a_file_of_this_name_in_the_working_directory_is_not_its_program(tmp_path):
    service = VaultService(tmp_path)
    (tmp_path / "strongroom_vault.py").write_text("raise SystemExit('not the vault')")
    service.start()
    assert service.end() == 0
