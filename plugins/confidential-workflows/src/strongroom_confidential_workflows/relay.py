"""Calls that leave the enclave, on their way to the host's registry: for secrets, and for the guest's capabilities.

The enclave keeps its guest to names and restrictions. What it lets through is checked here against the same request
once more, because the relay believes nothing that comes out of a runner.
"""

import threading
from typing import Final

from google.protobuf import any_pb2
from google.protobuf.message import DecodeError

from strongroom.guest.ids import owner_checksum
from strongroom.modules.restrictions import Ledger
from strongroom.modules.vault_reads import check_vault_read, is_vault
from strongroom.plugin import CapabilityError, Registry, StrongroomError
from strongroom.plugin.error_text import error_of, format_error
from strongroom.plugin.messages import capabilities_pb2, enclave_pb2, sdk_pb2, vault_pb2
from strongroom_confidential_workflows.guest_calls import CALLS_CLOSED, refusal_of
from strongroom_confidential_workflows.limits import VAULT_TIMEOUT_S
from strongroom_confidential_workflows.request import DEFAULT_NAMESPACE, ConfidentialExecution, NamedSecret

__all__ = ["VAULT", "Relay"]

VAULT: Final = "vault@1.0.0"
GET_SECRETS: Final = "vault.secrets.get"


class Relay:
    """Bound to one execution by ``metadata``, which the host stamped and every relayed call carries on."""

    def __init__(
        self, registry: Registry, metadata: capabilities_pb2.RequestMetadata, execution: ConfidentialExecution
    ) -> None:
        self._registry = registry
        self._metadata = metadata
        self._execution = execution
        self._ledger = Ledger(execution.restrictions or sdk_pb2.Restrictions())
        self._counting = threading.Lock()

    def vault_call(self, call: enclave_pb2.VaultCall, *, timeout_s: float) -> enclave_pb2.VaultAnswer:
        """Relay a secrets fetch. What comes back is sealed to the enclave's key; this process cannot open it."""
        payload = any_pb2.Any()
        try:
            asked = vault_pb2.GetSecretsRequest.FromString(call.request)
            if not all(self._may_be_released(secret.id) for secret in asked.requests):
                return enclave_pb2.VaultAnswer(call_id=call.call_id, error="a secret is not this execution's to have")
            payload.Pack(asked)
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
        if self._execution.subscribing:
            return sdk_pb2.CapabilityResponse(error=CALLS_CLOSED)
        if (refusal := refusal_of(call.id, call.method)) is not None:
            return sdk_pb2.CapabilityResponse(error=refusal)
        with self._counting:
            denied = self._ledger.take_call(call)
        if denied:
            error = CapabilityError("Public", "User", "LimitExceeded", denied)
            return sdk_pb2.CapabilityResponse(error=format_error(error))
        request = self._request(
            call.id, call.method, call.payload, reference_id=f"{self._execution.phase}{call.callback_id}"
        )
        try:
            capability = self._registry.get_executable(call.id)
            if is_vault(call.id):
                listed = [(name.namespace, name.key) for name in self._execution.secrets]
                check_vault_read(request, capability, owner=owner_checksum(self._execution.owner), listed=listed)
            answer = capability.execute(request, timeout_s=timeout_s)
        except StrongroomError as error:
            return sdk_pb2.CapabilityResponse(error=format_error(error_of(error)))
        return sdk_pb2.CapabilityResponse(payload=answer.payload)

    def _may_be_released(self, secret: vault_pb2.SecretIdentifier) -> bool:
        """Whether the request names that secret, or names none, and its restrictions let it through at all."""
        name = NamedSecret(secret.namespace or DEFAULT_NAMESPACE, secret.key)
        named = not self._execution.secrets or name in self._execution.secrets
        fresh = Ledger(self._execution.restrictions or sdk_pb2.Restrictions())
        return named and fresh.allows(name.namespace, name.key)

    def _request(
        self, capability_id: str, method: str, payload: any_pb2.Any, *, reference_id: str
    ) -> capabilities_pb2.CapabilityRequest:
        request = capabilities_pb2.CapabilityRequest(capabilityId=capability_id, method=method, payload=payload)
        request.metadata.CopyFrom(self._metadata)
        request.metadata.reference_id = reference_id
        return request
