"""``strongroom.v1.CapabilityService``."""

from typing import Final

import grpc
from google.protobuf import any_pb2, json_format

from strongroom.engine.policy import refuse_system_only
from strongroom.engine.registration import Owners
from strongroom.errors import NotFound
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.strongroom.v1 import capability_pb2, capability_pb2_grpc
from strongroom.registry.registry import Registry
from strongroom.registry.slot import Entry
from strongroom.registry.system_only import ANY_METHOD, system_only
from strongroom.services.capability_requests import request_of

__all__ = ["CapabilityService"]

OFFERED_SHOWN_MAX: Final = 30
"""Capabilities that an error names: enough to choose from, and not a screenful."""


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
        entry = self._offered(request.capability_id)
        executable = self._registry.get_executable(request.capability_id)
        named = request.HasField("message")
        payload = request.message if named else request_of(request.capability_id, request.method, request.json)
        call = capabilities_pb2.CapabilityRequest(
            metadata=capabilities_pb2.RequestMetadata(workflow_owner=owner),
            payload=payload,
            method=request.method,
            capabilityId=request.capability_id,
        )
        answer = executable.execute(call, timeout_s=context.time_remaining() or 0)
        return capability_pb2.CapabilityServiceExecuteResponse(
            message=answer.payload, json=_json(answer.payload), plugin=entry.plugin
        )

    def _offered(self, capability_id: str) -> Entry:
        try:
            return self._registry.get(capability_id)
        except NotFound as error:
            if (away := self._registry.away(capability_id)) is not None:
                raise away from error
            offered = sorted(entry.id for entry in self._registry.list())
            more = len(offered) - OFFERED_SHOWN_MAX
            shown = ", ".join(offered[:OFFERED_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
            raise NotFound(
                "SR-CAP-007",
                f"there is no capability {capability_id[:200]!r}",
                why=f"offered are {shown or 'none'}",
                fix="choose one of them, or enable the plugin that offers it (strongroom plugin enable)",
                id=capability_id[:200],
            ) from None


def _json(answer: any_pb2.Any) -> bytes:
    """The answer as JSON when its message is compiled in, else nothing."""
    try:
        return json_format.MessageToJson(answer, indent=None).encode()
    except (TypeError, json_format.Error):
        return b""
