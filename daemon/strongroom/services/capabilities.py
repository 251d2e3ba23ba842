"""``strongroom.v1.CapabilityService``."""

from typing import Final

import grpc
from google.protobuf import any_pb2, empty_pb2, json_format
from google.protobuf.message import Message

from strongroom.engine.policy import refuse_system_only
from strongroom.engine.registration import Owners
from strongroom.errors import InvalidInput
from strongroom.pb.capabilities.internal.actionandtrigger.v1 import action_and_trigger_pb2
from strongroom.pb.capabilities.internal.basicaction.v1 import basic_action_pb2
from strongroom.pb.capabilities.internal.nodeaction.v1 import node_action_pb2
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.strongroom.kvstore.v1 import kvstore_pb2
from strongroom.pb.strongroom.v1 import capability_pb2, capability_pb2_grpc
from strongroom.pb.vault import vault_pb2
from strongroom.registry.ids import parse_id
from strongroom.registry.registry import Registry
from strongroom.registry.system_only import ANY_METHOD, system_only

__all__ = ["CapabilityService"]

REQUESTS: Final[dict[tuple[str, str], type[Message]]] = {
    ("basic-test-action", "PerformAction"): basic_action_pb2.Inputs,
    ("basic-test-node-action", "PerformAction"): node_action_pb2.NodeInputs,
    ("basic-test-action-trigger", "Action"): action_and_trigger_pb2.Input,
    ("vault", "vault.secrets.create"): vault_pb2.CreateSecretsRequest,
    ("vault", "vault.secrets.update"): vault_pb2.UpdateSecretsRequest,
    ("vault", "vault.secrets.delete"): vault_pb2.DeleteSecretsRequest,
    ("vault", "vault.secrets.list"): vault_pb2.ListSecretIdentifiersRequest,
    ("vault", "vault.publicKey.get"): vault_pb2.GetPublicKeyRequest,
    ("consensus", "Signers"): empty_pb2.Empty,
    ("kvstore", "Workflows"): kvstore_pb2.WorkflowsRequest,
    ("kvstore", "Drop"): kvstore_pb2.DropRequest,
}
"""Request messages that this host can read from JSON."""


class CapabilityService(capability_pb2_grpc.CapabilityServiceServicer):
    """Capabilities of this host."""

    def __init__(self, registry: Registry, owners: Owners) -> None:
        self._registry = registry
        self._owners = owners

    def List(
        self, request: capability_pb2.CapabilityServiceListRequest, context: grpc.ServicerContext
    ) -> capability_pb2.CapabilityServiceListResponse:
        """Every capability."""
        return capability_pb2.CapabilityServiceListResponse(
            capabilities=[
                capability_pb2.Capability(
                    id=entry.id,
                    kind=entry.kind,
                    description=entry.description,
                    plugin=entry.plugin,
                    available=entry.available,
                    system_only=system_only(entry.id, ANY_METHOD),
                )
                for entry in sorted(self._registry.list(), key=lambda e: e.id)
            ]
        )

    def Execute(
        self, request: capability_pb2.CapabilityServiceExecuteRequest, context: grpc.ServicerContext
    ) -> capability_pb2.CapabilityServiceExecuteResponse:
        """Call a capability once."""
        refuse_system_only(request.capability_id, request.method)
        owner = self._owners.checked(request.owner)
        call = capabilities_pb2.CapabilityRequest(
            metadata=capabilities_pb2.RequestMetadata(workflow_owner=owner),
            payload=_payload(request),
            method=request.method,
            capabilityId=request.capability_id,
        )
        entry = self._registry.get(request.capability_id)
        executable = self._registry.get_executable(request.capability_id)
        answer = executable.execute(call, timeout_s=context.time_remaining() or 0)
        return capability_pb2.CapabilityServiceExecuteResponse(
            message=answer.payload, json=_json(answer.payload), plugin=entry.plugin
        )


def _payload(request: capability_pb2.CapabilityServiceExecuteRequest) -> any_pb2.Any:
    if request.HasField("message"):
        return request.message
    kind = REQUESTS.get((parse_id(request.capability_id).name, request.method))
    if kind is None:
        raise InvalidInput(
            "SR-CAP-003",
            f"this host cannot read the request of {request.capability_id} {request.method} from JSON",
            fix="send the request message itself",
            field="json",
        )
    packed = any_pb2.Any()
    try:
        packed.Pack(json_format.Parse(request.json or b"{}", kind()))
    except (json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(
            "SR-CAP-004",
            f"the payload does not fit {kind.DESCRIPTOR.full_name}",
            why=str(error),
            fix="give the fields of that message as a JSON object",
            field="json",
        ) from error
    return packed


def _json(answer: any_pb2.Any) -> bytes:
    """The answer as JSON when its message is compiled in, else nothing."""
    try:
        return json_format.MessageToJson(answer, indent=None).encode()
    except (TypeError, json_format.Error):
        return b""
