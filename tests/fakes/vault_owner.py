"""An owner of secrets, who seals values to a vault as the command line does."""

from google.protobuf import any_pb2

from strongroom.attest.manifest import Manifest, sign_manifest
from strongroom.attest.secret_entry import SecretEntry
from strongroom.crypto.box import seal_to
from strongroom.crypto.signing import SigningKey
from strongroom.plugin import Call
from strongroom.plugin.messages import capabilities_pb2, strongroom_vault_pb2, vault_pb2
from strongroom_vault.audit_log import read_audit
from strongroom_vault.opening import open_vault
from strongroom_vault.plugin import SimulatingVaultPlugin, VaultPlugin
from strongroom_vault.settings import VaultSettings
from tests.fakes.plugin_host import MemoryStore, memory_host

ALICE = "d8da6bf26964af9d7eed9e03e53415d37aa96045"
ALICE_SUMMED = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"
BOB = "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"


class Owner:
    """Calls a started plugin as the host would. ``close`` lets another vault open the same files.

    With a ``clock`` of a test it opens the vault without the plugin.
    """

    def __init__(self, key_file, store=None, mode="dev", *, accepts_simulated=False, clock=None, **config):
        self.store = store if store is not None else MemoryStore()
        self.key_file = key_file
        plugin = SimulatingVaultPlugin if accepts_simulated else VaultPlugin
        self.plugin = plugin(key_file=str(key_file), **config)
        host = memory_host(store=self.store, mode=mode, name="vault")
        if clock is None:
            self.plugin.start(host)
        else:
            settings, place = VaultSettings.from_config(key_file=str(key_file), **config), "co-located"
            self.plugin._vault = open_vault(
                settings, host.log, mode=mode, place=place, accepts_simulated=accepts_simulated, clock=clock
            )
        self.vault = self.plugin._vault
        (self.capability,) = self.plugin.capabilities()
        self.public_key = self.call("vault.publicKey.get", vault_pb2.GetPublicKeyRequest()).public_key

    def close(self):
        self.plugin.stop()

    def call(self, method, request, *, caller="", execution_id="", **stamped):
        payload = any_pb2.Any()
        payload.Pack(request)
        metadata = capabilities_pb2.RequestMetadata(
            workflow_owner=caller, workflow_execution_id=execution_id, **stamped
        )
        return self.capability.methods[method](Call(metadata=metadata, payload=payload, method=method, timeout_s=5))

    def sealed(self, value):
        return seal_to(self.public_key, value).hex()

    def entry(self, key, value, *, owner=ALICE, namespace="main", min_assurance="none", is_test_only=True):
        """A sealed entry, as ``strongroom secret set`` makes one."""
        entry = SecretEntry(
            owner=owner,
            namespace=namespace,
            key=key,
            value=value,
            min_assurance=min_assurance,
            is_test_only=is_test_only,
        )
        return self.sealed(entry.encode(bytes_max=1952))

    def status(self, *keys, owner=ALICE, caller=""):
        ids = [vault_pb2.SecretIdentifier(key=key, owner=owner) for key in keys]
        request = strongroom_vault_pb2.SecretStatusRequest(ids=ids)
        return list(self.call("vault.secrets.status", request, caller=caller).statuses)

    def audit(self):
        """The audit records, the oldest first."""
        with self.vault.state.transaction() as database:
            return read_audit(database)

    def put_manifest(self, *grants, owner=ALICE, serial=1, key=None):
        """Put a manifest in force, signed by the development key of the vault's home unless another is given."""
        key = key or SigningKey.load(self.key_file.with_name("development-owner.key"))
        manifest = Manifest(owner=f"0x{owner}", serial=serial, grants=grants)
        request = strongroom_vault_pb2.PutManifestRequest(
            manifest=manifest.encode(), signature=sign_manifest(manifest, key)
        )
        return self.call("vault.manifests.put", request).serial

    def create(self, key, value, *, owner=ALICE, namespace="", caller=""):
        """The error text of one created secret."""
        return self._write("create", vault_pb2.CreateSecretsRequest, key, value, owner, namespace, caller)

    def update(self, key, value, *, owner=ALICE, namespace="", caller=""):
        return self._write("update", vault_pb2.UpdateSecretsRequest, key, value, owner, namespace, caller)

    def delete(self, key, *, owner=ALICE, namespace=""):
        ids = [vault_pb2.SecretIdentifier(key=key, owner=owner, namespace=namespace)]
        (answer,) = self.call("vault.secrets.delete", vault_pb2.DeleteSecretsRequest(ids=ids)).responses
        return answer.error

    def get(self, *keys, owner=ALICE, namespace="", to=(), caller="", execution_id=""):
        """The answers for ``keys``, sealed to each key of ``to``."""
        requests = [
            vault_pb2.SecretRequest(
                id=vault_pb2.SecretIdentifier(key=key, owner=owner, namespace=namespace), encryption_keys=to
            )
            for key in keys
        ]
        request = vault_pb2.GetSecretsRequest(requests=requests)
        return list(self.call("vault.secrets.get", request, caller=caller, execution_id=execution_id).responses)

    def names(self, *, owner=ALICE, namespace=""):
        request = vault_pb2.ListSecretIdentifiersRequest(owner=owner, namespace=namespace)
        answer = self.call("vault.secrets.list", request)
        assert answer.success, answer.error
        return [(item.namespace, item.key) for item in answer.identifiers]

    def _write(self, method, request_type, key, value, owner, namespace, caller):
        sealed = value if isinstance(value, str) else self.sealed(value)
        secret_id = vault_pb2.SecretIdentifier(key=key, owner=owner, namespace=namespace)
        secrets = [vault_pb2.EncryptedSecret(id=secret_id, encrypted_value=sealed)]
        request = request_type(request_id="r1", encrypted_secrets=secrets)
        answer = self.call(f"vault.secrets.{method}", request, caller=caller)
        assert answer.request_id == "r1"
        (response,) = answer.responses
        assert response.success == (response.error == "")
        return response.error
