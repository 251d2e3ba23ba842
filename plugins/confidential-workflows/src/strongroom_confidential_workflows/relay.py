"""Calls of a guest that leave the enclave, on their way to the host's registry.

The enclave keeps its guest to names and restrictions. What it lets through is checked here against the same request
once more, because the relay believes nothing that comes out of a runner: with the same counts, kept here for the whole
execution. A sound runner is never refused: what it lets through has been counted there before, at least as often.
"""

import threading

from google.protobuf import any_pb2
from google.protobuf.message import DecodeError

from strongroom.guest.ids import owner_checksum
from strongroom.modules.quotas import QuotaLimits, Quotas
from strongroom.modules.restrictions import Ledger
from strongroom.modules.vault_reads import check_vault_read, is_vault
from strongroom.plugin import CapabilityError, EvidenceRejected, Registry, StrongroomError
from strongroom.plugin.error_text import error_of, format_error
from strongroom.plugin.messages import capabilities_pb2, sdk_pb2
from strongroom_confidential_workflows.guest_calls import CALLS_CLOSED, refusal_of
from strongroom_confidential_workflows.limits import CALL_BYTES_MAX
from strongroom_confidential_workflows.messages import CapabilityCall
from strongroom_confidential_workflows.request import ConfidentialExecution
from strongroom_confidential_workflows.signed_call import open_call
from strongroom_confidential_workflows.vault_relay import BrokenContract

__all__ = ["Relay"]


class Relay:
    """Bound to one execution by ``metadata``, which the host stamped and every relayed call carries on."""

    def __init__(
        self, registry: Registry, metadata: capabilities_pb2.RequestMetadata, execution: ConfidentialExecution
    ) -> None:
        self._registry = registry
        self._metadata = metadata
        self._execution = execution
        self._counting = threading.Lock()
        self._ledger = Ledger(execution.restrictions or sdk_pb2.Restrictions())
        self._quotas = Quotas(QuotaLimits())

    def open(self, call: CapabilityCall, *, sig_pub: bytes) -> sdk_pb2.CapabilityRequest:
        """The guest's request, signed by the key of this execution. Raises ``BrokenContract``."""
        try:
            found = open_call(call.body, call.signature, sig_pub=sig_pub)
            request = sdk_pb2.CapabilityRequest.FromString(found.payload)
        except (EvidenceRejected, DecodeError) as error:
            raise BrokenContract("it sent a call that is not signed by the key that it attested") from error
        ours = (found.capability_id, found.reference_id, found.execution_id)
        wanted_id = self._execution.execution_id or found.execution_id
        if ours != (request.id, self._reference(request), wanted_id):
            raise BrokenContract("it signed another call than the one that it sent")
        return request

    def capability_call(self, call: sdk_pb2.CapabilityRequest, *, timeout_s: float) -> bytes:
        """The serialized answer of the capability. A failed call is an answer with ``error`` set."""
        answer = self._relayed(call, timeout_s).SerializeToString()
        if len(answer) > CALL_BYTES_MAX:
            error = f"the answer has {len(answer)} bytes, and {CALL_BYTES_MAX} is the limit"
            return sdk_pb2.CapabilityResponse(error=error).SerializeToString()
        return answer

    def _relayed(self, call: sdk_pb2.CapabilityRequest, timeout_s: float) -> sdk_pb2.CapabilityResponse:
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
        request = self._request(call.id, call.method, call.payload, reference_id=self._reference(call))
        try:
            capability = self._registry.get_executable(call.id)
            if is_vault(call.id):
                listed = [(name.namespace, name.key) for name in self._execution.secrets]
                check_vault_read(request, capability, owner=owner_checksum(self._execution.owner), listed=listed)
            answer = capability.execute(request, timeout_s=timeout_s)
        except StrongroomError as error:
            return sdk_pb2.CapabilityResponse(error=format_error(error_of(error)))
        return sdk_pb2.CapabilityResponse(payload=answer.payload)

    def _reference(self, call: sdk_pb2.CapabilityRequest) -> str:
        return f"{self._execution.phase}{call.callback_id}"

    def _request(
        self, capability_id: str, method: str, payload: any_pb2.Any, *, reference_id: str
    ) -> capabilities_pb2.CapabilityRequest:
        request = capabilities_pb2.CapabilityRequest(capabilityId=capability_id, method=method, payload=payload)
        request.metadata.CopyFrom(self._metadata)
        request.metadata.reference_id = reference_id
        return request
