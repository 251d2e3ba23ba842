"""Calls that leave the enclave, on their way to the host's registry: for secrets, and for the guest's capabilities."""

from typing import Final

from google.protobuf import any_pb2
from google.protobuf.message import DecodeError

from strongroom.plugin import Registry, StrongroomError
from strongroom.plugin.error_text import error_of, format_error
from strongroom.plugin.messages import capabilities_pb2, enclave_pb2, sdk_pb2, vault_pb2
from strongroom_confidential_workflows.guest_calls import CALLS_CLOSED, refusal_of
from strongroom_confidential_workflows.limits import VAULT_TIMEOUT_S

__all__ = ["VAULT", "Relay"]

VAULT: Final = "vault@1.0.0"
GET_SECRETS: Final = "vault.secrets.get"


class Relay:
    """Bound to one execution by ``metadata``, which the host stamped and every relayed call carries on."""

    def __init__(self, registry: Registry, metadata: capabilities_pb2.RequestMetadata, *, calls_allowed: bool) -> None:
        self._registry = registry
        self._metadata = metadata
        self._calls_allowed = calls_allowed

    def vault_call(self, call: enclave_pb2.VaultCall, *, timeout_s: float) -> enclave_pb2.VaultAnswer:
        """Relay a secrets fetch. What comes back is sealed to the enclave's key; this process cannot open it."""
        payload = any_pb2.Any()
        try:
            payload.Pack(vault_pb2.GetSecretsRequest.FromString(call.request))
            request = self._request(VAULT, GET_SECRETS, payload, reference_id="")
            answer = self._registry.get_executable(VAULT).execute(request, timeout_s=min(timeout_s, VAULT_TIMEOUT_S))
            response = vault_pb2.GetSecretsResponse()
            if not answer.payload.Unpack(response):
                return enclave_pb2.VaultAnswer(call_id=call.call_id, error="the vault answered with another message")
        except DecodeError:
            return enclave_pb2.VaultAnswer(call_id=call.call_id, error="a vault message is not readable")
        except StrongroomError as error:
            return enclave_pb2.VaultAnswer(call_id=call.call_id, error=format_error(error_of(error)))
        return enclave_pb2.VaultAnswer(call_id=call.call_id, response=answer.payload.value)

    def capability_call(self, call: sdk_pb2.CapabilityRequest, *, timeout_s: float) -> sdk_pb2.CapabilityResponse:
        """Relay a call of the guest. A failed call is an answer with ``error`` set."""
        if not self._calls_allowed:
            return sdk_pb2.CapabilityResponse(error=CALLS_CLOSED)
        if (refusal := refusal_of(call.id)) is not None:
            return sdk_pb2.CapabilityResponse(error=refusal)
        request = self._request(call.id, call.method, call.payload, reference_id=str(call.callback_id))
        try:
            answer = self._registry.get_executable(call.id).execute(request, timeout_s=timeout_s)
        except StrongroomError as error:
            return sdk_pb2.CapabilityResponse(error=format_error(error_of(error)))
        return sdk_pb2.CapabilityResponse(payload=answer.payload)

    def _request(
        self, capability_id: str, method: str, payload: any_pb2.Any, *, reference_id: str
    ) -> capabilities_pb2.CapabilityRequest:
        request = capabilities_pb2.CapabilityRequest(capabilityId=capability_id, method=method, payload=payload)
        request.metadata.CopyFrom(self._metadata)
        request.metadata.reference_id = reference_id
        return request
