"""One confidential execution as it was asked for, checked.

The plugin checks before it fetches anything, and the enclave runner checks the same bytes again, because the plugin is
outside of the enclave. Both dialects are read: `execute_request` (field 4) and `sdk_execute_request` (field 9).
Source: contracts/confidential.md sections 5, 6, 8 and 13.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError, Message

from strongroom.guest.ids import PRE_HOOK, TRIGGER, normal_owner
from strongroom.modules.requirements import are_satisfied
from strongroom.modules.restrictions import objection_to
from strongroom.plugin import CapabilityError, InvalidInput
from strongroom.plugin.messages import capabilities_pb2, confidential_workflow_pb2, sdk_pb2
from strongroom_confidential_workflows.limits import (
    REQUEST_BYTES_MAX,
    SECRETS_NAMED_MAX,
    TEXT_BYTES_MAX,
    URL_BYTES_MAX,
)
from strongroom_confidential_workflows.tees import Tees

__all__ = ["DEFAULT_NAMESPACE", "ConfidentialExecution", "NamedSecret", "refused"]

DEFAULT_NAMESPACE: Final = "main"
HASH_BYTES: Final = 32
_EXECUTION_ID: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class NamedSecret:
    """A secret by namespace and key; the owner is that of the execution."""

    namespace: str
    key: str

    def __str__(self) -> str:
        """For errors: the name is public, the value never appears."""
        return f"key {self.key!r} in namespace {self.namespace!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidentialExecution:
    """What to run, for whom, which secrets it names, and what it is kept to. ``owner`` is 40 hex digits.

    ``phase`` is what the reference ids of its calls begin with: a pre-hook and its run share an execution id.
    """

    workflow_id: str
    owner: str
    execution_id: str
    binary_url: str
    binary_hash: bytes
    execute_request: bytes = field(repr=False)
    subscribing: bool
    secrets: tuple[NamedSecret, ...]
    config: bytes = field(default=b"", repr=False)
    requirements: sdk_pb2.Requirements | None = None
    restrictions: sdk_pb2.Restrictions | None = None
    phase: str = ""

    @classmethod
    def from_wire(
        cls,
        untrusted: confidential_workflow_pb2.ConfidentialWorkflowRequest,
        *,
        metadata: capabilities_pb2.RequestMetadata,
        tees: Tees,
    ) -> "ConfidentialExecution":
        """The execution in ``untrusted``, for a backend that provides ``tees``. ``metadata`` must agree with it.

        Raises ``CapabilityError``.
        """
        asked = untrusted.execution
        _check_text("execution.workflow_id", asked.workflow_id, TEXT_BYTES_MAX)
        _check_text("execution.binary_url", asked.binary_url, URL_BYTES_MAX)
        if len(asked.binary_hash) != HASH_BYTES:
            raise refused(
                "InvalidArgument", f"execution.binary_hash: {len(asked.binary_hash)} bytes, SHA-256 has {HASH_BYTES}"
            )
        _check_same("workflow_id", asked.workflow_id, metadata.workflow_id)
        _check_enforceable(asked, tees)
        request, serialized = _execute_request(asked)
        subscribing = request.WhichOneof("request") == "subscribe"
        return cls(
            workflow_id=asked.workflow_id,
            owner=_owner(asked.owner, metadata.workflow_owner),
            execution_id="" if subscribing else _execution_id(asked.execution_id, metadata.workflow_execution_id),
            binary_url=asked.binary_url,
            binary_hash=asked.binary_hash,
            execute_request=serialized,
            subscribing=subscribing,
            secrets=_named_secrets(untrusted),
            config=request.config,
            requirements=asked.requirements if asked.HasField("requirements") else None,
            restrictions=asked.restrictions if asked.HasField("restrictions") else None,
            phase=PRE_HOOK if request.WhichOneof("request") == "pre_hook" else TRIGGER,
        )


def refused(name: str, message: str) -> CapabilityError:
    """An error that the caller can do something about."""
    return CapabilityError("Public", "User", name, message)


def _execute_request(asked: confidential_workflow_pb2.WorkflowExecution) -> tuple[sdk_pb2.ExecuteRequest, bytes]:
    """The request in field 4 or 9, and its bytes. Both may be there when they say the same."""
    if not asked.execute_request and not asked.HasField("sdk_execute_request"):
        raise refused("InvalidArgument", "execution has neither execute_request nor sdk_execute_request")
    if (size := max(len(asked.execute_request), asked.sdk_execute_request.ByteSize())) > REQUEST_BYTES_MAX:
        raise refused("LimitExceeded", f"execution.execute_request: {size} bytes is more than {REQUEST_BYTES_MAX}")
    typed = asked.sdk_execute_request
    request = typed
    if asked.execute_request:
        request = sdk_pb2.ExecuteRequest()
        try:
            request.ParseFromString(asked.execute_request)
        except DecodeError:
            raise refused("InvalidArgument", "execution.execute_request is not a serialized ExecuteRequest") from None
        if asked.HasField("sdk_execute_request") and _canonical(request) != _canonical(typed):
            raise refused("InvalidArgument", "execution.execute_request and execution.sdk_execute_request differ")
    if request.WhichOneof("request") is None:
        raise refused("InvalidArgument", "the execute request is neither subscribe nor trigger nor pre_hook")
    return request, asked.execute_request or _canonical(typed)


def _canonical(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def _check_enforceable(asked: confidential_workflow_pb2.WorkflowExecution, tees: Tees) -> None:
    """Refuse conditions that this backend does not meet or does not understand: running would break them."""
    if asked.HasField("requirements") and not are_satisfied(asked.requirements, tees):
        what = "does not provide such a TEE" if tees else "is not a TEE"
        raise refused("FailedPrecondition", f"execution.requirements cannot be satisfied: this backend {what}")
    if objection := objection_to(asked.restrictions):
        raise refused("Unimplemented", f"execution.restrictions: {objection}")


def _owner(in_request: str, in_metadata: str) -> str:
    try:
        owners = {normal_owner(text) for text in (in_request, in_metadata) if text}
    except InvalidInput as error:
        raise refused("InvalidArgument", f"owner: {error}") from None
    if not owners:
        raise refused("InvalidArgument", "the owner is in neither execution.owner nor metadata.workflow_owner")
    if len(owners) > 1:
        raise refused("InvalidArgument", "execution.owner and metadata.workflow_owner differ")
    return owners.pop()


def _execution_id(in_request: str, in_metadata: str) -> str:
    _check_same("execution_id", in_request, in_metadata)
    execution_id = in_request or in_metadata
    if execution_id and not _EXECUTION_ID.fullmatch(execution_id):
        raise refused("InvalidArgument", "execution.execution_id is not 64 lower-case hex digits")
    return execution_id


def _named_secrets(untrusted: confidential_workflow_pb2.ConfidentialWorkflowRequest) -> tuple[NamedSecret, ...]:
    if (count := len(untrusted.vault_don_secrets)) > SECRETS_NAMED_MAX:
        raise refused("LimitExceeded", f"vault_don_secrets: {count} secrets is more than {SECRETS_NAMED_MAX}")
    for index, secret in enumerate(untrusted.vault_don_secrets):
        _check_text(f"vault_don_secrets[{index}].key", secret.key, TEXT_BYTES_MAX)
        _check_text(f"vault_don_secrets[{index}].namespace", secret.namespace or DEFAULT_NAMESPACE, TEXT_BYTES_MAX)
    named = (NamedSecret(s.namespace or DEFAULT_NAMESPACE, s.key) for s in untrusted.vault_don_secrets)
    return tuple(dict.fromkeys(named))


def _check_text(name: str, untrusted: str, limit: int) -> None:
    if not untrusted:
        raise refused("InvalidArgument", f"{name} is missing")
    if (size := len(untrusted.encode())) > limit:
        raise refused("LimitExceeded", f"{name}: {size} bytes is more than {limit}")


def _check_same(name: str, in_request: str, in_metadata: str) -> None:
    if in_request and in_metadata and in_request != in_metadata:
        raise refused("InvalidArgument", f"execution.{name} and the metadata differ")
