"""The capability service of the fake host, and the vault behind it, which really opens what was sealed to it."""

from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage

from strongroom.pb.strongroom.v1 import capability_pb2, capability_pb2_grpc
from strongroom.pb.vault import vault_pb2

OWNER = "0" * 39 + "1"


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
        answer = AnyMessage()
        answer.Pack(self._vault(request.method, request.message))
        return capability_pb2.CapabilityServiceExecuteResponse(message=answer, plugin="vault")

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
            secrets[name] = self.daemon.vault.open(bytes.fromhex(item.encrypted_value))
        kinds = {
            "vault.secrets.create": (vault_pb2.CreateSecretsResponse, vault_pb2.CreateSecretResponse),
            "vault.secrets.update": (vault_pb2.UpdateSecretsResponse, vault_pb2.UpdateSecretResponse),
        }
        outer, inner = kinds[method]
        return outer(responses=[inner(id=item.id, success=not error, error=error)])
