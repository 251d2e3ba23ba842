"""One execution inside the enclave, in the order that keeps secrets safe.

1. Check the request again, and its requirements. 2. Hash the binary and compare, and compute the workflow's id where
its name is known. 3. Only then attest, with fresh keys, and take the secrets of this execution, all or none; the module
is compiled meanwhile. 4. Run,
with the restrictions before everything that the guest asks for. 5. Sign how it ended: a receipt, also when it failed.
"""

import hashlib
import secrets
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, Protocol

from google.protobuf.message import DecodeError, EncodeError

from strongroom.attest.codes import NOT_AUTHORISED
from strongroom.guest.binary import decode_upload
from strongroom.guest.execution_helper import ExecutionHelper
from strongroom.guest.ids import owner_checksum, workflow_id
from strongroom.guest.limits import GuestLimits
from strongroom.modules.decisions import Decisions
from strongroom.modules.quotas import QuotaLimits, Quotas
from strongroom.modules.restricted import RestrictedHelper
from strongroom.modules.restrictions import Ledger
from strongroom.plugin import (
    Cancelled,
    CapabilityError,
    EvidenceRejected,
    GuestFault,
    InvalidInput,
    LimitExceeded,
    StrongroomError,
    TimedOut,
)
from strongroom.plugin.messages import capabilities_pb2, confidential_workflow_pb2, sdk_pb2
from strongroom_confidential_workflows.enclave.attesting import Attested, attest
from strongroom_confidential_workflows.enclave.call_book import CallBook
from strongroom_confidential_workflows.enclave.helper import EnclaveHelper
from strongroom_confidential_workflows.enclave.link import Link
from strongroom_confidential_workflows.enclave.sealed_result import receipt_of
from strongroom_confidential_workflows.enclave.setup import RunnerSetup
from strongroom_confidential_workflows.limits import ERROR_CHARACTERS_MAX, RESULT_BYTES_MAX
from strongroom_confidential_workflows.messages import (
    CANCELLED,
    GUEST_FAULT,
    HOST_FAULT,
    REFUSED,
    RESULT,
    TIMED_OUT,
    Finished,
    Start,
)
from strongroom_confidential_workflows.request import ConfidentialExecution, NamedSecret, refused

__all__ = ["Guest", "execute"]

_OUTCOMES: Final[tuple[tuple[type[StrongroomError], str, str], ...]] = (
    (GuestFault, GUEST_FAULT, ""),
    (TimedOut, TIMED_OUT, ""),
    (Cancelled, CANCELLED, ""),
    (EvidenceRejected, REFUSED, "PermissionDenied"),
    (LimitExceeded, REFUSED, "LimitExceeded"),
    (InvalidInput, REFUSED, "InvalidArgument"),
)
_STATUSES: Final = {RESULT: "succeeded", TIMED_OUT: "timed_out", CANCELLED: "cancelled"}
FAILED: Final = "failed"
GRANT_HINT: Final = "set it with `strongroom secret set`, and have its owner grant it to this workflow"
COMPUTED_ID: Final = "00"
"""What the ids that ``workflow_id`` makes begin with."""


class Guest(Protocol):
    """``strongroom.guest.runner.guest_run.OneGuest``; tests run something smaller."""

    def compile(self, wasm: bytes) -> None:
        """Compile the module. Raises ``InvalidInput``."""

    def run(self, request: bytes, helper: ExecutionHelper, *, limits: GuestLimits) -> bytes:
        """The serialized ``ExecutionResult``."""


class _Run:
    """What is known of the execution so far."""

    attested: Attested | None = None
    helper: EnclaveHelper | None = None
    calls: CallBook | None = None


def execute(start: Start, binary: bytes, link: Link, setup: RunnerSetup, guest: Guest) -> Finished:
    """Run what ``start`` asks for. Every failure is in the answer; nothing is raised."""
    run = _Run()
    try:
        result = _executed(run, start, binary, link, setup, guest)
        finished = Finished(outcome=RESULT, result=result)
    except CapabilityError as error:
        hint = f"; {GRANT_HINT}" if error.message.startswith(NOT_AUTHORISED) else ""
        outcome = REFUSED if error.origin == "User" else HOST_FAULT
        finished = Finished(outcome=outcome, error=_cut(error.message) + hint, code=error.name)
    except StrongroomError as error:
        finished = _failure(error)
    except Exception as error:
        # The text of an unforeseen error may quote payload, so only its type leaves the enclave.
        finished = Finished(outcome=HOST_FAULT, error=f"the enclave runner failed with {type(error).__name__}")
    return _with_receipt(finished, run)


def _executed(run: _Run, start: Start, binary: bytes, link: Link, setup: RunnerSetup, guest: Guest) -> bytes:
    timeout_ms = min(start.timeout_ms, setup.config.limits["timeout_ms_max"])
    link.deadline = time.monotonic() + timeout_ms / 1000
    limits = GuestLimits()
    execution = _checked_execution(start, setup)
    _check_hash(binary, execution.binary_hash)
    _check_workflow_id(start.workflow_name, binary, execution)
    wasm = decode_upload(binary, limits).wasm()
    with ThreadPoolExecutor(1, thread_name_prefix="attest") as pool:
        # Attesting waits for the vault for most of its time, and compiling needs this thread.
        attesting = pool.submit(attest, execution, _wanted(start, execution), setup, link)
        try:
            guest.compile(wasm)
        finally:
            run.attested = attested = attesting.result()
    left_ms = int((link.deadline - time.monotonic()) * 1000)
    if left_ms <= 0:
        raise TimedOut("SR-ENCL-001", "the execution used up its time before the guest started")
    run.calls = CallBook(
        link,
        attested.key,
        execution_id=execution.execution_id,
        phase=execution.phase,
        calls_max=setup.config.limits["calls_max"],
    )
    run.helper = EnclaveHelper(execution, attested.values, run.calls, link, setup.config, timeout_ms=left_ms)
    result = guest.run(execution.execute_request, _restricted(run.helper, execution), limits=limits)
    link.check_cancelled()  # what a guest says because its calls were cut off is not its result
    return _checked_result(result, setup)


def _checked_execution(start: Start, setup: RunnerSetup) -> ConfidentialExecution:
    try:
        request = confidential_workflow_pb2.ConfidentialWorkflowRequest.FromString(start.request)
    except DecodeError:
        raise refused("InvalidArgument", "the request is not a ConfidentialWorkflowRequest") from None
    metadata = capabilities_pb2.RequestMetadata(workflow_owner=start.owner, workflow_execution_id=start.execution_id)
    execution = ConfidentialExecution.from_wire(request, metadata=metadata, tees=setup.tees)
    if execution.subscribing:
        # The protocol has no id for it, and an execution that attests needs one.
        return replace(execution, execution_id=secrets.token_hex(32))
    if not execution.execution_id:
        raise refused("InvalidArgument", "execution.execution_id is missing")
    return execution


def _check_hash(binary: bytes, expected: bytes) -> None:
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


def _check_workflow_id(name: str, binary: bytes, execution: ConfidentialExecution) -> None:
    """Raise ``CapabilityError`` when the id can be computed, and is another one."""
    if not name or not execution.workflow_id.startswith(COMPUTED_ID):
        return
    found = workflow_id(owner=execution.owner, name=name, binary=binary, config=execution.config)
    if found != execution.workflow_id:
        raise CapabilityError(
            "Public",
            "System",
            "DataLoss",
            f"workflow id mismatch: the request says {execution.workflow_id[:64]}, and owner, name, binary and "
            f"configuration give {found}; no secret was asked for",
        )


def _wanted(start: Start, execution: ConfidentialExecution) -> frozenset[NamedSecret]:
    """What to ask for: the list of the request; without one, and when subscribing, what the plugin says is granted and
    there. Never what the restrictions would deny anyway."""
    granted = frozenset(NamedSecret(namespace, key) for namespace, key in start.granted)
    named: Iterable[NamedSecret] = execution.secrets or (() if execution.subscribing else granted)
    ledger = Ledger(execution.restrictions or sdk_pb2.Restrictions())
    allowed = frozenset(name for name in named if ledger.allows(name.namespace, name.key))
    return allowed & granted if execution.subscribing else allowed


def _restricted(helper: EnclaveHelper, execution: ConfidentialExecution) -> RestrictedHelper:
    """The gate. Quotas are the compiled defaults: the settings of the host do not come this far."""
    ledger = None if execution.restrictions is None else Ledger(execution.restrictions)
    return RestrictedHelper(
        helper, owner=owner_checksum(execution.owner), decisions=Decisions(Quotas(QuotaLimits()), ledger)
    )


def _checked_result(result: bytes, setup: RunnerSetup) -> bytes:
    """The result as it leaves the enclave: in the one form that a host stores, whatever order its guest wrote it in."""
    _check_size(result, setup)
    try:
        written = sdk_pb2.ExecutionResult.FromString(result).SerializeToString(deterministic=True)
    except (DecodeError, EncodeError):
        raise GuestFault("SR-ENCL-003", "the guest's result is not an ExecutionResult") from None
    _check_size(written, setup)
    return written


def _check_size(result: bytes, setup: RunnerSetup) -> None:
    most = min(RESULT_BYTES_MAX, setup.config.limits["result_bytes_max"])
    if len(result) > most:
        raise GuestFault("SR-ENCL-002", f"the result has {len(result)} bytes, and {most} is the limit")


def _with_receipt(finished: Finished, run: _Run) -> Finished:
    """``finished`` with what else leaves the enclave. A result that cannot be signed does not leave it."""
    lines = run.helper.log_lines if run.helper is not None else 0
    finished = replace(finished, log_lines=lines)
    if run.attested is None:
        return finished
    status = _STATUSES.get(finished.outcome, FAILED)
    if (
        finished.outcome == RESULT
        and sdk_pb2.ExecutionResult.FromString(finished.result).WhichOneof("result") == "error"
    ):
        status = FAILED
    calls = run.calls.calls() if run.calls is not None else ()
    try:
        return replace(finished, receipt=receipt_of(run.attested, status=status, result=finished.result, calls=calls))
    except StrongroomError as error:
        return Finished(outcome=HOST_FAULT, error=f"no receipt could be made: {_cut(str(error))}", log_lines=lines)


def _failure(error: StrongroomError) -> Finished:
    for kind, outcome, name in _OUTCOMES:
        if isinstance(error, kind):
            return Finished(outcome=outcome, error=_cut(str(error)), code=name)
    return Finished(outcome=HOST_FAULT, error=_cut(str(error)))


def _cut(text: str) -> str:
    """``text`` as a frame can carry it."""
    return text[:ERROR_CHARACTERS_MAX].encode(errors="replace").decode()
