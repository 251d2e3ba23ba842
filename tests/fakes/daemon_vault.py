"""The capability service of the fake host, and the vault behind it, which really opens what was sealed to it.

``vault_lacks`` names the methods that it does not know, as a vault of somebody else; it then takes plain values only.
"""

from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from strongroom.attest.manifest import read_manifest
from strongroom.attest.secret_entry import decode_secret_entry, is_secret_entry
from strongroom.attest.vault_identity import TEST_STORE, VaultIdentity, sign_identity
from strongroom.crypto.box import BoxKey
from strongroom.crypto.signing import SigningKey
from strongroom.pb.strongroom.v1 import capability_pb2, capability_pb2_grpc
from strongroom.pb.strongroom.vault.v1 import strongroom_vault_pb2
from strongroom.pb.vault import vault_pb2

OWNER = "0" * 39 + "1"
OURS = {"vault.identity.get", "vault.secrets.status", "vault.manifests.get", "vault.manifests.put"}


class VaultState:
    """The vault of the fake host: its keys, what it holds, and what the test makes of it."""

    def __init__(self) -> None:
        self.vault = BoxKey.generate()
        self.vault_signing = SigningKey.generate()
        self.vault_store = TEST_STORE
        self.vault_lacks: set[str] = set()
        self.secrets: dict[tuple[str, str], bytes] = {}
        self.secret_terms: dict[tuple[str, str], tuple[str, bool, int]] = {}
        self.secret_error = ""
        self.status_error = ""
        self.statuses_max = 10
        self.manifests: dict[str, tuple[bytes, bytes]] = {}
        self.manifest_error = ""


class Capabilities(capability_pb2_grpc.CapabilityServiceServicer):
    def __init__(self, daemon: Any) -> None:
        self.daemon = daemon

    def List(self, request, context):
        self.daemon.hear(request, context)
        item = capability_pb2.Capability(id="vault@1.0.0", kind="action", plugin="vault", available=True)
        return capability_pb2.CapabilityServiceListResponse(capabilities=[item])

    def Execute(self, request, context):
        self.daemon.hear(request, context)
        if request.WhichOneof("input") == "json":
            return capability_pb2.CapabilityServiceExecuteResponse(
                json=request.json, plugin="echo", message=AnyMessage(type_url="type.googleapis.com/x.Echo")
            )
        if request.method in self.daemon.vault_lacks:
            refuse(context, grpc.StatusCode.UNIMPLEMENTED, "Unimplemented", f"no method {request.method!r}")
        answer = AnyMessage()
        if request.method in OURS:
            answer.Pack(self._ours(request, context))
        else:
            answer.Pack(self._vault(request.method, request.message))
        return capability_pb2.CapabilityServiceExecuteResponse(message=answer, plugin="vault")

    def _ours(self, request, context) -> Any:
        daemon, value = self.daemon, request.message.value
        if request.method == "vault.identity.get":
            identity = VaultIdentity(
                vault_public_key=daemon.vault_signing.public,
                box_public_key=bytes.fromhex(daemon.vault.public_hex),
                store=daemon.vault_store,
                vault="co-located",
                policy_sha256=bytes(32),
                policy_epoch=0,
            )
            signed = sign_identity(identity, daemon.vault_signing)
            return strongroom_vault_pb2.IdentityResponse(body=signed.body, signature=signed.signature)
        if request.method == "vault.secrets.status":
            answer = strongroom_vault_pb2.SecretStatusResponse()
            for each in strongroom_vault_pb2.SecretStatusRequest.FromString(value).ids:
                status = answer.statuses.add(id=each, present=(each.namespace, each.key) in daemon.secrets)
                status.error = daemon.status_error
                if status.present:
                    terms = daemon.secret_terms[each.namespace, each.key]
                    status.min_assurance, status.test_only, status.version = terms
            del answer.statuses[daemon.statuses_max :]
            return answer
        if request.method == "vault.manifests.get":
            owner = strongroom_vault_pb2.GetManifestRequest.FromString(value).owner
            manifest, signature = daemon.manifests.get(owner.removeprefix("0x"), (b"", b""))
            return strongroom_vault_pb2.GetManifestResponse(manifest=manifest, signature=signature)
        put = strongroom_vault_pb2.PutManifestRequest.FromString(value)
        if daemon.manifest_error:
            refuse(context, grpc.StatusCode.PERMISSION_DENIED, "PermissionDenied", daemon.manifest_error)
        manifest = read_manifest(put.manifest)
        daemon.manifests[manifest.owner.removeprefix("0x")] = put.manifest, put.signature
        return strongroom_vault_pb2.PutManifestResponse(serial=manifest.serial)

    def _vault(self, method: str, message: AnyMessage) -> Any:
        secrets, error = self.daemon.secrets, self.daemon.secret_error
        if method == "vault.publicKey.get":
            return vault_pb2.GetPublicKeyResponse(public_key=self.daemon.vault.public_hex)
        if method == "vault.secrets.list":
            wanted = vault_pb2.ListSecretIdentifiersRequest.FromString(message.value)
            names = [n for n in secrets if wanted.namespace in {"", n[0]}]
            identifiers = [vault_pb2.SecretIdentifier(namespace=n, key=k, owner="0x" + OWNER) for n, k in names]
            return vault_pb2.ListSecretIdentifiersResponse(identifiers=identifiers, success=True)
        if method == "vault.secrets.delete":
            identifier = vault_pb2.DeleteSecretsRequest.FromString(message.value).ids[0]
            del secrets[identifier.namespace, identifier.key]
            return vault_pb2.DeleteSecretsResponse(responses=[vault_pb2.DeleteSecretResponse(success=True)])
        item = vault_pb2.CreateSecretsRequest.FromString(message.value).encrypted_secrets[0]
        name = (item.id.namespace, item.id.key)
        assert (name in secrets) == (method == "vault.secrets.update")
        if not error:
            self._store(name, self.daemon.vault.open(bytes.fromhex(item.encrypted_value)))
        kinds = {
            "vault.secrets.create": (vault_pb2.CreateSecretsResponse, vault_pb2.CreateSecretResponse),
            "vault.secrets.update": (vault_pb2.UpdateSecretsResponse, vault_pb2.UpdateSecretResponse),
        }
        outer, inner = kinds[method]
        return outer(responses=[inner(id=item.id, success=not error, error=error)])

    def _store(self, name: tuple[str, str], opened: bytes) -> None:
        assert is_secret_entry(opened) != bool(self.daemon.vault_lacks)
        if is_secret_entry(opened):
            entry = decode_secret_entry(opened, bytes_max=1_952)
            assert (entry.owner, entry.namespace, entry.key) == (OWNER, *name)
            version = self.daemon.secret_terms.get(name, ("", False, 0))[2] + 1
            self.daemon.secret_terms[name] = entry.min_assurance, entry.is_test_only, version
            opened = entry.value
        self.daemon.secrets[name] = opened


def refuse(context: grpc.ServicerContext, code: grpc.StatusCode, name: str, message: str) -> None:
    """End the call as the host does for what a capability refused."""
    metadata = {"visibility": "Public", "origin": "User", "name": name}
    detail = AnyMessage()
    detail.Pack(error_details_pb2.ErrorInfo(reason="SR-CAP-001", domain="strongroom", metadata=metadata))
    context.abort_with_status(
        rpc_status.to_status(status_pb2.Status(code=code.value[0], message=message, details=[detail]))
    )
