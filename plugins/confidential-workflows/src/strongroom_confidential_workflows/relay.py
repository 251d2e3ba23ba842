"""Calls that leave the enclave, on their way to the host's registry: for secrets, and for the guest's capabilities.

The enclave keeps its guest to names and restrictions. What it lets through is checked here against the same request
once more, because the relay believes nothing that comes out of a runner: with the same counts, kept here for the whole
execution. A sound runner is never refused: what it lets through has been counted there before, at least as often.
"""

import threading
from collections.abc import Sequence
from typing import Final

from google.protobuf import any_pb2
from google.protobuf.message import DecodeError

from strongroom.guest.ids import owner_checksum
from strongroom.modules.quotas import QuotaLimits, Quotas
from strongroom.modules.restrictions import VAULT_PAYLOAD_BYTES_MAX, Ledger
from strongroom.modules.vault_reads import GET_SECRETS, Names, check_vault_read, is_vault, opened_by
from strongroom.plugin import CapabilityError, Registry, StrongroomError
from strongroom.plugin.error_text import error_of, format_error
from strongroom.plugin.messages import capabilities_pb2, enclave_pb2, sdk_pb2, vault_pb2
from strongroom_confidential_workflows.guest_calls import CALLS_CLOSED, refusal_of
from strongroom_confidential_workflows.limits import (
    SECRETS_FETCHED_MAX,
    SECRETS_PER_VAULT_CALL,
    VAULT_CALLS_MAX,
    VAULT_TIMEOUT_S,
)
from strongroom_confidential_workflows.request import DEFAULT_NAMESPACE, ConfidentialExecution, NamedSecret

__all__ = ["VAULT", "Relay"]

VAULT: Final = "vault@1.0.0"
NOT_ITS_OWN: Final = "a secret is not this execution's to have"


class Relay:
    """Bound to one execution by ``metadata``, which the host stamped and every relayed call carries on."""

    def __init__(
        self, registry: Registry, metadata: capabilities_pb2.RequestMetadata, execution: ConfidentialExecution
    ) -> None:
        self._registry = registry
        self._metadata = metadata
        self._execution = execution
        self._counting = threading.Lock()
        self._asking = threading.Lock()
        self._ledger = Ledger(execution.restrictions or sdk_pb2.Restrictions())
        self._quotas = Quotas(QuotaLimits())
        self._asked: set[NamedSecret] = set()
        self._opened: Names | None = None
        self._vault_calls = 0

    def vault_call(self, call: enclave_pb2.VaultCall, *, timeout_s: float) -> enclave_pb2.VaultAnswer:
        """Relay a secrets fetch. What comes back is sealed to the enclave's key; this process cannot open it."""
        if call.opened:
            return self._opened_call(call)
        payload = any_pb2.Any()
        taken: list[NamedSecret] | None = None
        if len(call.request) > VAULT_PAYLOAD_BYTES_MAX:
            return enclave_pb2.VaultAnswer(call_id=call.call_id, error=NOT_ITS_OWN)
        try:
            asked = vault_pb2.GetSecretsRequest.FromString(call.request)
            taken = self._take_secrets([secret.id for secret in asked.requests])
            if taken is None:
                return enclave_pb2.VaultAnswer(call_id=call.call_id, error=NOT_ITS_OWN)
            payload.Pack(asked)
            request = self._request(VAULT, GET_SECRETS, payload, reference_id="")
            answer = self._registry.get_executable(VAULT).execute(request, timeout_s=min(timeout_s, VAULT_TIMEOUT_S))
            response = vault_pb2.GetSecretsResponse()
            if not answer.payload.Unpack(response):
                return enclave_pb2.VaultAnswer(call_id=call.call_id, error="the vault answered with another message")
        except DecodeError:
            return enclave_pb2.VaultAnswer(call_id=call.call_id, error="a vault message is not readable")
        except StrongroomError as error:
            # Not released, so the enclave does not have them; asked for again they are counted again, there and here.
            with self._counting:
                self._asked.difference_update(taken or ())
            return enclave_pb2.VaultAnswer(call_id=call.call_id, error=format_error(error_of(error)))
        return enclave_pb2.VaultAnswer(call_id=call.call_id, response=answer.payload.value)

    def capability_call(self, call: sdk_pb2.CapabilityRequest, *, timeout_s: float) -> sdk_pb2.CapabilityResponse:
        """Relay a call of the guest. A failed call is an answer with ``error`` set."""
        if self._execution.subscribing:
            return sdk_pb2.CapabilityResponse(error=CALLS_CLOSED)
        if (refusal := refusal_of(call.id, call.method)) is not None:
            return sdk_pb2.CapabilityResponse(error=refusal)
        with self._counting:
            denied = self._quotas.call_refusal(call) or self._ledger.take_call(call)
            if not denied:
                self._quotas.take_call(call)
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

    def _opened_call(self, call: enclave_pb2.VaultCall) -> enclave_pb2.VaultAnswer:
        try:
            names = self._opened_names()
        except StrongroomError as error:
            return enclave_pb2.VaultAnswer(call_id=call.call_id, error=format_error(error_of(error)))
        answer = vault_pb2.ListSecretIdentifiersResponse(success=True)
        for namespace, key in sorted(names):
            answer.identifiers.add(namespace=namespace, key=key)
        return enclave_pb2.VaultAnswer(call_id=call.call_id, response=answer.SerializeToString())

    def _opened_names(self) -> Names:
        """What the vault's configuration opens to the workflow; asked for until it is answered once."""
        with self._asking:
            if self._opened is None:
                vault = self._registry.get_executable(VAULT)
                self._opened = opened_by(vault, self._metadata, owner_checksum(self._execution.owner))
            return self._opened

    def _take_secrets(self, asked: Sequence[vault_pb2.SecretIdentifier]) -> list[NamedSecret] | None:
        """Those that were not counted before; nothing unless each is named by the request or opened by the vault's
        configuration, and restrictions leave them."""
        if len(asked) > SECRETS_PER_VAULT_CALL:
            return None
        names = {NamedSecret(secret.namespace or DEFAULT_NAMESPACE, secret.key) for secret in asked}
        unnamed = names - set(self._execution.secrets)
        if unnamed and not {(name.namespace, name.key) for name in unnamed} <= self._opened_names():
            return None
        with self._counting:
            fresh = sorted(names - self._asked)
            if self._vault_calls >= VAULT_CALLS_MAX or len(self._asked) + len(fresh) > SECRETS_FETCHED_MAX:
                return None
            if not self._ledger.take_secrets([(name.namespace, name.key) for name in fresh]):
                return None
            self._vault_calls += 1
            self._asked.update(fresh)
        return fresh

    def _request(
        self, capability_id: str, method: str, payload: any_pb2.Any, *, reference_id: str
    ) -> capabilities_pb2.CapabilityRequest:
        request = capabilities_pb2.CapabilityRequest(capabilityId=capability_id, method=method, payload=payload)
        request.metadata.CopyFrom(self._metadata)
        request.metadata.reference_id = reference_id
        return request
