"""One execution inside the enclave, in the order that keeps secrets safe.

1. Check the request again, and its requirements. 2. Hash the binary and compare. 3. Only then make a key and ask for
secrets. 4. Run, with the restrictions before everything that the guest asks for.
"""

import hashlib
import time
from typing import Final, Protocol

from google.protobuf.message import DecodeError

from strongroom.crypto.box import BoxKey
from strongroom.guest.binary import decode_upload
from strongroom.guest.execution_helper import ExecutionHelper
from strongroom.guest.ids import owner_checksum
from strongroom.guest.limits import GuestLimits
from strongroom.modules.decisions import Decisions
from strongroom.modules.quotas import QuotaLimits, Quotas
from strongroom.modules.restricted import RestrictedHelper
from strongroom.modules.restrictions import Ledger
from strongroom.plugin import (
    Cancelled,
    CapabilityError,
    GuestFault,
    InvalidInput,
    LimitExceeded,
    StrongroomError,
    TimedOut,
)
from strongroom.plugin.messages import capabilities_pb2, confidential_workflow_pb2, enclave_pb2, sdk_pb2
from strongroom_confidential_workflows.enclave.helper import EnclaveHelper
from strongroom_confidential_workflows.enclave.link import Link
from strongroom_confidential_workflows.enclave.released_secrets import ReleasedSecrets
from strongroom_confidential_workflows.limits import RESULT_BYTES_MAX
from strongroom_confidential_workflows.request import ConfidentialExecution, refused

__all__ = ["RunGuest", "execute"]

Outcome = enclave_pb2.Outcome

_OUTCOMES: Final[tuple[tuple[type[StrongroomError], "Outcome.ValueType", str], ...]] = (
    (GuestFault, enclave_pb2.OUTCOME_GUEST_FAULT, ""),
    (TimedOut, enclave_pb2.OUTCOME_TIMED_OUT, ""),
    (Cancelled, enclave_pb2.OUTCOME_CANCELLED, ""),
    (LimitExceeded, enclave_pb2.OUTCOME_REFUSED, "LimitExceeded"),
    (InvalidInput, enclave_pb2.OUTCOME_REFUSED, "InvalidArgument"),
)


class RunGuest(Protocol):
    """``strongroom.guest.runner.guest_run.run_guest``; tests run something smaller."""

    def __call__(self, wasm: bytes, request: bytes, helper: ExecutionHelper, *, limits: GuestLimits) -> bytes:
        """The serialized ``ExecutionResult``."""


def execute(start: enclave_pb2.Start, link: Link, run_guest: RunGuest) -> enclave_pb2.Finished:
    """Run what ``start`` asks for. Every failure is in the answer; nothing is raised."""
    helper: EnclaveHelper | None = None
    try:
        link.deadline = time.monotonic() + start.timeout_ms / 1000
        limits = GuestLimits()
        execution = _checked_execution(start)
        check_hash(start.binary, execution.binary_hash)
        wasm = decode_upload(start.binary, limits).wasm()
        released = ReleasedSecrets(execution, BoxKey.generate(), link)
        released.fetch_named()
        left_ms = int((link.deadline - time.monotonic()) * 1000)
        if left_ms <= 0:
            raise TimedOut("SR-ENCL-001", "the execution used up its time before the guest started")
        helper = EnclaveHelper(execution, released, link, timeout_ms=left_ms)
        result = run_guest(wasm, execution.execute_request, _restricted(helper, execution), limits=limits)
        if released.failure is not None:
            raise released.failure
        link.check_cancelled()  # what a guest says because its calls were cut off is not its result
        finished = enclave_pb2.Finished(outcome=enclave_pb2.OUTCOME_RESULT, result=_checked_result(result))
    except CapabilityError as error:
        outcome = enclave_pb2.OUTCOME_REFUSED if error.origin == "User" else enclave_pb2.OUTCOME_HOST_FAULT
        finished = enclave_pb2.Finished(outcome=outcome, error=error.message, error_code=error.name)
    except StrongroomError as error:
        finished = _failure(error)
    except Exception as error:
        # The text of an unforeseen error may quote payload, so only its type leaves the enclave.
        text = f"the enclave runner failed with {type(error).__name__}"
        finished = enclave_pb2.Finished(outcome=enclave_pb2.OUTCOME_HOST_FAULT, error=text)
    finished.log_lines = helper.log_lines if helper else 0
    return finished


def check_hash(binary: bytes, expected: bytes) -> None:
    """Raise ``CapabilityError`` naming both hashes unless ``binary`` is what was asked for."""
    found = hashlib.sha256(binary).digest()
    if found != expected:
        raise CapabilityError(
            "Public",
            "System",
            "DataLoss",
            f"binary hash mismatch: the request names {expected.hex()}, the fetched binary has {found.hex()}; "
            "no secret was asked for",
        )


def _checked_execution(start: enclave_pb2.Start) -> ConfidentialExecution:
    try:
        request = confidential_workflow_pb2.ConfidentialWorkflowRequest.FromString(start.request)
    except DecodeError:
        raise refused("InvalidArgument", "the request is not a ConfidentialWorkflowRequest") from None
    metadata = capabilities_pb2.RequestMetadata(workflow_owner=start.owner, workflow_execution_id=start.execution_id)
    return ConfidentialExecution.from_wire(request, metadata=metadata)


def _restricted(helper: EnclaveHelper, execution: ConfidentialExecution) -> RestrictedHelper:
    """The gate. Quotas are the compiled defaults: the settings of the host do not come this far."""
    ledger = None if execution.restrictions is None else Ledger(execution.restrictions)
    return RestrictedHelper(
        helper, owner=owner_checksum(execution.owner), decisions=Decisions(Quotas(QuotaLimits()), ledger)
    )


def _checked_result(result: bytes) -> bytes:
    if len(result) > RESULT_BYTES_MAX:
        raise GuestFault("SR-ENCL-002", f"the result has {len(result)} bytes, and {RESULT_BYTES_MAX} is the limit")
    try:
        sdk_pb2.ExecutionResult.FromString(result)
    except DecodeError:
        raise GuestFault("SR-ENCL-003", "the guest's result is not an ExecutionResult") from None
    return result


def _failure(error: StrongroomError) -> enclave_pb2.Finished:
    for kind, outcome, name in _OUTCOMES:
        if isinstance(error, kind):
            return enclave_pb2.Finished(outcome=outcome, error=str(error), error_code=name)
    return enclave_pb2.Finished(outcome=enclave_pb2.OUTCOME_HOST_FAULT, error=str(error))
