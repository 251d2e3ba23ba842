"""Capability ``confidential-workflows@1.0.0-alpha``: Execute, ProvidedTees; Backend, Cancel and Receipt are ours."""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf import empty_pb2
from google.protobuf.message import DecodeError

from strongroom.attest.assurance import INSECURE_KINDS
from strongroom.guest.ids import name_hash
from strongroom.plugin import Call, CapabilityError, Registry, Unavailable
from strongroom.plugin.error_text import CODES
from strongroom.plugin.messages import backend_pb2, capabilities_pb2, confidential_workflow_pb2, sdk_pb2
from strongroom.plugin.tracing import enclave_span
from strongroom_confidential_workflows.cancellation import Cancellation
from strongroom_confidential_workflows.granted import granted_secrets
from strongroom_confidential_workflows.launcher import Launcher
from strongroom_confidential_workflows.launchers.runner import Runner
from strongroom_confidential_workflows.limits import (
    ANSWER_MARGIN_MS,
    ERROR_CHARACTERS_MAX,
    QUEUE_WAIT_S,
    READY_TIMEOUT_S,
    RESULT_BYTES_MAX,
    WORKFLOW_NAME_BYTES_MAX,
)
from strongroom_confidential_workflows.messages import (
    CANCELLED,
    GUEST_FAULT,
    HOST_FAULT,
    REFUSED,
    RESULT,
    TIMED_OUT,
    Finished,
    Ready,
    Start,
)
from strongroom_confidential_workflows.receipts import Receipts
from strongroom_confidential_workflows.relay import Relay
from strongroom_confidential_workflows.request import ConfidentialExecution
from strongroom_confidential_workflows.session import Session
from strongroom_confidential_workflows.sources import BinarySource
from strongroom_confidential_workflows.tees import provided_tees
from strongroom_confidential_workflows.vault_relay import VaultCaller, VaultRelay, backend_away

__all__ = ["CAPABILITY_ID", "ConfidentialWorkflows"]

CAPABILITY_ID: Final = "confidential-workflows@1.0.0-alpha"
_NAME_HASH: Final = re.compile(r"[0-9a-f]{10}")

# Outcome of a runner -> origin and code word for the caller. A runner may name a better code word itself.
_FAILURES: Final[Mapping[str, tuple[str, str]]] = {
    REFUSED: ("User", "FailedPrecondition"),
    GUEST_FAULT: ("User", "Aborted"),
    TIMED_OUT: ("User", "DeadlineExceeded"),
    CANCELLED: ("System", "Canceled"),
    HOST_FAULT: ("System", "Internal"),
}


class ConfidentialWorkflows:
    """The methods of the capability. ``kind`` is that of its runners' evidence, ``regions`` where they run."""

    def __init__(
        self,
        launcher: Launcher,
        source: BinarySource,
        registry: Registry,
        log: logging.Logger,
        *,
        kind: str,
        regions: tuple[str, ...] = (),
        executions_max: int,
    ) -> None:
        self._kind = kind
        self._tees = provided_tees(kind, regions)
        self._receipts = Receipts()
        self._launcher = launcher
        self._source = source
        self._registry = registry
        self._log = log
        self._executions_max = executions_max
        self._slots = threading.BoundedSemaphore(executions_max)
        self._lock = threading.Lock()
        self._running: set[Cancellation] = set()

    def methods(self) -> Mapping[str, Callable[[Call], Any]]:
        """Method name to function. Each returns its own message type."""
        return {
            "Execute": self.execute,
            "ProvidedTees": self.provided_tees,
            "Backend": self.backend,
            "Cancel": self.cancel,
            "Receipt": self.receipt,
        }

    def provided_tees(self, call: Call) -> confidential_workflow_pb2.ProvidedTeesResponse:
        """The TEEs of this backend; none unless its evidence is of a kind that the network names."""
        call.unpack(empty_pb2.Empty)
        return confidential_workflow_pb2.ProvidedTeesResponse(tee=self._tees)

    def backend(self, call: Call) -> backend_pb2.BackendReport:
        """What executes here, and what its runners report about their sandbox."""
        call.unpack(empty_pb2.Empty)
        try:
            ready = self._launcher.check(max(0.0, min(READY_TIMEOUT_S, call.timeout_s - ANSWER_MARGIN_MS / 1000)))
        except Unavailable as error:
            raise backend_away(f"{error.code} {error}") from error
        return backend_pb2.BackendReport(
            label=self._kind,
            insecure=self._kind in INSECURE_KINDS,
            protections=ready.protections,
            missing=ready.missing,
        )

    def cancel(self, call: Call) -> empty_pb2.Empty:
        """Stop an execution that is running here; its own call then ends with a Canceled error."""
        request = call.unpack(backend_pb2.CancelExecution)
        with self._lock:
            named = [running for running in self._running if running.execution_id == request.execution_id != ""]
        for running in named:
            running.cancel(request.reason[:ERROR_CHARACTERS_MAX])
        return empty_pb2.Empty()

    def cut_off(self, reason: str) -> None:
        """Stop every execution; each call then ends with an Unavailable error, and may be made again."""
        with self._lock:
            running = list(self._running)
        for each in running:
            each.cut_off(reason)

    def receipt(self, call: Call) -> backend_pb2.ReceiptResponse:
        """The receipt of the last attempt that ended here; empty when it was not attested, or is not known any more."""
        request = call.unpack(backend_pb2.ReceiptRequest)
        return backend_pb2.ReceiptResponse(receipt=self._receipts.of(request.execution_id))

    def execute(self, call: Call) -> confidential_workflow_pb2.ConfidentialWorkflowResponse:
        """Run one workflow in a fresh enclave runner. Raises ``CapabilityError``."""
        deadline = time.monotonic() + call.timeout_s
        request = call.unpack(confidential_workflow_pb2.ConfidentialWorkflowRequest)
        execution = ConfidentialExecution.from_wire(request, metadata=call.metadata, tees=self._tees)
        cancellation = Cancellation(execution.execution_id)
        self._receipts.forget(execution.execution_id)
        with self._lock:
            self._running.add(cancellation)
        try:
            self._take_slot(cancellation, deadline)
            try:
                finished = self._run(call, execution, cancellation, deadline)
            finally:
                self._slots.release()
        finally:
            with self._lock:
                self._running.discard(cancellation)
        if finished.receipt and execution.execution_id:
            self._receipts.keep(execution.execution_id, finished.receipt)
        self._log.info("execution ended: %s", finished.outcome, extra=self._facts(execution, finished))
        return _response(finished)

    def _take_slot(self, cancellation: Cancellation, deadline: float) -> None:
        """Wait for one of ``executions_max`` places, within the deadline of the call."""
        while not self._slots.acquire(timeout=max(0.0, min(QUEUE_WAIT_S, deadline - time.monotonic()))):
            cancellation.check()
            if time.monotonic() >= deadline:
                raise CapabilityError(
                    "Public",
                    "System",
                    "ResourceExhausted",
                    f"{self._executions_max} executions are running (executions_max), and none ended in time",
                )

    def _run(
        self, call: Call, execution: ConfidentialExecution, cancellation: Cancellation, deadline: float
    ) -> Finished:
        binary = self._source.fetch(execution.binary_url, deadline=deadline)
        cancellation.check()
        metadata, name = _stamped(call.metadata, execution)
        vault = VaultCaller(self._registry, metadata)
        granted = granted_secrets(execution, vault, timeout_s=max(0.0, deadline - time.monotonic()))
        runner = self._take_runner(deadline)
        try:
            left_ms = int((deadline - time.monotonic()) * 1000) - ANSWER_MARGIN_MS
            start = Start(
                request=call.payload.value,
                owner=execution.owner,
                timeout_ms=max(1, left_ms),
                execution_id=execution.execution_id,
                workflow_name=name,
                granted=tuple(sorted((each.namespace, each.key) for each in granted)),
                binary_bytes=len(binary),
            )
            relay = Relay(self._registry, metadata, execution)
            session = Session(runner, relay, VaultRelay(vault, execution, granted), cancellation, deadline=deadline)
            with enclave_span(self._traced(execution)) as span:
                finished = session.run(start, binary)
                span.set({"strongroom.outcome": finished.outcome, "strongroom.receipt.bytes": len(finished.receipt)})
                if finished.outcome != RESULT:
                    span.failed(finished.code if finished.code in CODES else finished.outcome)
                if finished.outcome == CANCELLED and cancellation.is_cut_off:
                    # The runner does not know that it is wanted again.
                    cancellation.check()
                return finished
        finally:
            self._launcher.end(runner)

    def _take_runner(self, deadline: float) -> Runner:
        """A fresh runner, of the kind that is configured. Raises ``CapabilityError``."""
        try:
            runner = self._launcher.take(min(READY_TIMEOUT_S, max(0.0, deadline - time.monotonic())))
        except Unavailable as error:
            raise backend_away(str(error)) from error
        found: Ready = self._launcher.report()
        if found.evidence_kind != self._kind:
            self._launcher.end(runner)
            raise backend_away(f"its runners make evidence of kind {found.evidence_kind!r}, not {self._kind}")
        return runner

    def _traced(self, execution: ConfidentialExecution) -> dict[str, str | int]:
        """For the trace: as ``_facts``."""
        return {
            "strongroom.workflow.id": execution.workflow_id,
            "strongroom.execution.id": execution.execution_id,
            "strongroom.binary.sha256": execution.binary_hash.hex(),
            "strongroom.evidence.kind": self._kind,
        }

    def _facts(self, execution: ConfidentialExecution, finished: Finished) -> dict[str, object]:
        """For the log: ids, hash and counts, never payload."""
        return {
            "workflow_id": execution.workflow_id,
            "execution_id": execution.execution_id,
            "binary_sha256": execution.binary_hash.hex(),
            "guest_log_lines": finished.log_lines,
            "receipt_bytes": len(finished.receipt),
            "backend": self._kind,
        }


def _stamped(
    untrusted: capabilities_pb2.RequestMetadata, execution: ConfidentialExecution
) -> tuple[capabilities_pb2.RequestMetadata, str]:
    """What relayed calls carry, and the workflow's name in plain when the host says it.

    A host names the workflow to this capability in plain; others get the hash, and the name beside it.
    """
    metadata = type(untrusted)()
    metadata.CopyFrom(untrusted)
    metadata.workflow_id = execution.workflow_id
    metadata.workflow_owner = execution.owner
    metadata.workflow_execution_id = execution.execution_id
    if (
        metadata.workflow_name
        and not metadata.decoded_workflow_name
        and not _NAME_HASH.fullmatch(metadata.workflow_name)
    ):
        metadata.decoded_workflow_name = metadata.workflow_name
        metadata.workflow_name = name_hash(metadata.workflow_name)
    name = metadata.decoded_workflow_name
    return metadata, name if len(name.encode()) <= WORKFLOW_NAME_BYTES_MAX else ""


def _response(finished: Finished) -> confidential_workflow_pb2.ConfidentialWorkflowResponse:
    """Both fields of the answer, from one serialization. What a runner says is bounded and checked here once more."""
    if finished.outcome != RESULT:
        origin, name = _FAILURES.get(finished.outcome, ("System", "Internal"))
        name = finished.code if finished.code in CODES else name
        raise CapabilityError("Public", origin, name, finished.error[:ERROR_CHARACTERS_MAX] or "no reason was given")
    try:
        if len(finished.result) > RESULT_BYTES_MAX:
            raise DecodeError
        result = sdk_pb2.ExecutionResult.FromString(finished.result)
    except DecodeError:
        raise CapabilityError(
            "Public",
            "System",
            "Internal",
            "the enclave runner broke its contract: its result is not an ExecutionResult",
        ) from None
    return confidential_workflow_pb2.ConfidentialWorkflowResponse(
        execution_result=finished.result, sdk_execution_result=result
    )
