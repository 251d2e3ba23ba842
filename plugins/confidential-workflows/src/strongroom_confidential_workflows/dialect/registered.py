"""The executions that a host has registered for call-backs of enclaves, and what each may have.

An execution is registered for as long as its run lasts, with the names that it may read and the restrictions of its
pre-hook. A relay asks here, so the calls of an enclave count against one ledger wherever they come from.
Rule 1: what an enclave asks for is no more than what a guest of this host could have: the vault believes its host.
Rule 2: a secret that is denied is denied by itself; the others are given.
Source: contracts/confidential.md 7, "ConfidentialModule" step 3, 11 and 12.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

from google.protobuf.message import DecodeError

from strongroom.guest.ids import normal_owner, owner_checksum
from strongroom.modules.attributes import DEFAULT_NAMESPACE
from strongroom.modules.restrictions import VAULT_PAYLOAD_BYTES_MAX, Ledger
from strongroom.modules.vault_reads import Names, is_vault, not_listed
from strongroom.plugin import CapabilityError, Conflict, Forbidden, Internal, LimitExceeded, NotFound
from strongroom.plugin.messages import capabilities_pb2, sdk_pb2, vault_pb2
from strongroom_confidential_workflows.dialect.go_json import from_base64, to_base64
from strongroom_confidential_workflows.dialect.messages import malformed
from strongroom_confidential_workflows.dialect.relay_answers import CapabilityAnswer, SecretAnswer, SecretsAnswer
from strongroom_confidential_workflows.dialect.relay_params import (
    CapabilityParams,
    ExecutionRef,
    SecretRef,
    SecretsParams,
)
from strongroom_confidential_workflows.guest_calls import refusal_of

__all__ = ["EXECUTIONS_MAX", "CapabilityCaller", "RegisteredExecutions", "SecretsSource"]

EXECUTIONS_MAX: Final = 10_000
"""Each is one run of this host that waits for its enclave."""


class SecretsSource(Protocol):
    """A vault, which seals to the enclave's key."""

    def sealed(
        self, names: Sequence[SecretRef], *, public_key_hex: str, metadata: capabilities_pb2.RequestMetadata
    ) -> Sequence[SecretAnswer]:
        """An answer for each name, in the same order: sealed, or with its error."""


class CapabilityCaller(Protocol):
    """The capabilities of the host."""

    def call(
        self, request: sdk_pb2.CapabilityRequest, *, metadata: capabilities_pb2.RequestMetadata
    ) -> sdk_pb2.CapabilityResponse:
        """The answer. Raises ``CapabilityError``. The same reference id of one execution must act once: an attested
        request can be sent again for as long as its document is fresh."""


@dataclass(slots=True)
class _Registered:
    execution: ExecutionRef
    don_id: int
    readable: Names
    ledger: Ledger
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(slots=True, kw_only=True)
class RegisteredExecutions:
    """The executions by workflow id and execution id. Safe for several threads."""

    vault: SecretsSource
    capabilities: CapabilityCaller
    executions_max: int = EXECUTIONS_MAX
    _known: dict[tuple[str, str], _Registered] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @contextmanager
    def registered(
        self, execution: ExecutionRef, *, readable: Names, restrictions: sdk_pb2.Restrictions, don_id: int = 0
    ) -> Iterator[None]:
        """Register an execution for the time of its run. ``readable`` are the secrets that its workflow may read.

        Raises ``Conflict`` for one that is registered, ``LimitExceeded`` when there are too many.
        """
        place = (execution.workflow_id, execution.execution_id)
        with self._lock:
            if place in self._known:
                raise Conflict("SR-DIAL-010", "the execution is registered already", execution=execution.execution_id)
            if len(self._known) >= self.executions_max:
                raise LimitExceeded(
                    "SR-DIAL-011",
                    f"{len(self._known)} executions are registered, which is the most",
                    fix="let some end",
                    size=len(self._known),
                    limit=self.executions_max,
                    setting="executions_max",
                )
            self._known[place] = _Registered(execution, don_id, readable, Ledger(restrictions))
        try:
            yield
        finally:
            with self._lock:
                del self._known[place]

    def secrets(self, params: SecretsParams, *, reference_id: str) -> SecretsAnswer:
        """What the vault has for the names that the execution may have, and for the others why not."""
        found = self._find(params.execution)
        with found.lock:
            denials = [_denial(found, each) for each in params.secrets]
        granted = [each for each, denial in zip(params.secrets, denials, strict=True) if not denial]
        sealed = self.vault.sealed(
            granted, public_key_hex=params.enclave_public_key, metadata=_metadata(found, reference_id)
        )
        if [each.secret for each in sealed] != granted:
            raise Internal("SR-DIAL-012", "the vault answered for other secrets than it was asked for")
        left = iter(sealed)
        answers = (
            SecretAnswer(each, error=denial) if denial else next(left)
            for each, denial in zip(params.secrets, denials, strict=True)
        )
        return SecretsAnswer(tuple(answers))

    def call(self, params: CapabilityParams) -> CapabilityAnswer:
        """What the capability answers, or why it was not called."""
        found = self._find(params.execution)
        try:
            request = sdk_pb2.CapabilityRequest.FromString(from_base64("payload", params.payload))
        except DecodeError:
            raise malformed("payload", "a serialized CapabilityRequest") from None
        if request.id != params.capability_id:
            raise malformed("capability_id", "the id in the payload")
        if refusal := refusal_of(request.id, request.method) or _vault_refusal(found, request):
            return CapabilityAnswer(error=refusal)
        with found.lock:
            denial = found.ledger.take_call(request)
        if denial:
            return CapabilityAnswer(error=denial)
        try:
            response = self.capabilities.call(request, metadata=_metadata(found, params.reference_id))
        except CapabilityError as error:
            return CapabilityAnswer(error=error.message)
        return CapabilityAnswer(to_base64(response.SerializeToString(deterministic=True)))

    def _find(self, asked: ExecutionRef) -> _Registered:
        with self._lock:
            found = self._known.get((asked.workflow_id, asked.execution_id))
        if found is None:
            raise NotFound("SR-DIAL-013", "the execution is not registered", why="it has ended, or is another host's")
        known = found.execution
        if normal_owner(known.owner) != normal_owner(asked.owner) or asked.org_id not in {"", known.org_id}:
            raise Forbidden("SR-DIAL-014", "the execution belongs to another owner")
        return found


def _denial(found: _Registered, secret: SecretRef) -> str:
    """Why a secret is not given. What may not be read is not counted: it is refused whatever is left."""
    if (secret.namespace, secret.key) not in found.readable:
        return not_listed(secret.namespace, secret.key)
    return found.ledger.take_secret(sdk_pb2.SecretRequest(id=secret.key, namespace=secret.namespace))


def _vault_refusal(found: _Registered, request: sdk_pb2.CapabilityRequest) -> str:
    """Why a read of the vault is not passed on; empty for every other call."""
    if not is_vault(request.id):
        return ""
    if len(request.payload.value) > VAULT_PAYLOAD_BYTES_MAX:
        return f"a read of the vault: {len(request.payload.value)} bytes is more than {VAULT_PAYLOAD_BYTES_MAX}"
    asked = vault_pb2.GetSecretsRequest()
    try:
        understood = request.payload.Unpack(asked)
    except DecodeError:
        understood = False
    if not understood:
        return "the payload is not a vault.GetSecretsRequest"
    owner = normal_owner(found.execution.owner)
    for each in (one.id for one in asked.requests):
        if each.owner.lower().removeprefix("0x") != owner:
            return "a workflow reads secrets of its own owner only"
        name = (each.namespace or DEFAULT_NAMESPACE, each.key)
        if name not in found.readable:
            return not_listed(*name)
    return ""


def _metadata(found: _Registered, reference_id: str) -> capabilities_pb2.RequestMetadata:
    known = found.execution
    return capabilities_pb2.RequestMetadata(
        workflow_id=known.workflow_id,
        workflow_owner=owner_checksum(known.owner),
        workflow_execution_id=known.execution_id,
        workflow_don_id=found.don_id,
        reference_id=reference_id,
        org_id=known.org_id,
    )
