"""Capability ``confidential-workflows@1.0.0-alpha``: Execute, ProvidedTees; and Backend and Cancel, which are ours."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf import empty_pb2
from google.protobuf.message import DecodeError

from strongroom.guest.ids import name_hash
from strongroom.plugin import Call, CapabilityError, Registry, Unavailable
from strongroom.plugin.error_text import CODES
from strongroom.plugin.messages import backend_pb2, confidential_workflow_pb2, enclave_pb2, sdk_pb2
from strongroom_confidential_workflows.cancellation import Cancellation
from strongroom_confidential_workflows.launcher import Launcher
from strongroom_confidential_workflows.limits import (
    ANSWER_MARGIN_MS,
    ERROR_CHARACTERS_MAX,
    QUEUE_WAIT_S,
    READY_TIMEOUT_S,
    RESULT_BYTES_MAX,
)
from strongroom_confidential_workflows.relay import Relay
from strongroom_confidential_workflows.request import ConfidentialExecution
from strongroom_confidential_workflows.session import Session
from strongroom_confidential_workflows.sources import BinarySource
from strongroom_confidential_workflows.tees import PROVIDED_TEES

__all__ = ["CAPABILITY_ID", "LABEL", "ConfidentialWorkflows"]

CAPABILITY_ID: Final = "confidential-workflows@1.0.0-alpha"
LABEL: Final = "insecure-software"

# Outcome of a runner -> origin and code word for the caller. A runner may name a better code word itself.
_FAILURES: Final[Mapping["enclave_pb2.Outcome.ValueType", tuple[str, str]]] = {
    enclave_pb2.OUTCOME_REFUSED: ("User", "FailedPrecondition"),
    enclave_pb2.OUTCOME_GUEST_FAULT: ("User", "Aborted"),
    enclave_pb2.OUTCOME_TIMED_OUT: ("User", "DeadlineExceeded"),
    enclave_pb2.OUTCOME_CANCELLED: ("System", "Canceled"),
    enclave_pb2.OUTCOME_HOST_FAULT: ("System", "Internal"),
}


class ConfidentialWorkflows:
    """The methods of the capability."""

    def __init__(
        self, launcher: Launcher, source: BinarySource, registry: Registry, log: logging.Logger, *, executions_max: int
    ) -> None:
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
        }

    def provided_tees(self, call: Call) -> confidential_workflow_pb2.ProvidedTeesResponse:
        """The TEEs of this backend, which has none."""
        call.unpack(empty_pb2.Empty)
        return confidential_workflow_pb2.ProvidedTeesResponse(tee=PROVIDED_TEES)

    def backend(self, call: Call) -> backend_pb2.BackendReport:
        """What executes here, and what its runners report about their sandbox."""
        call.unpack(empty_pb2.Empty)
        ready = self._launcher.report()
        return backend_pb2.BackendReport(
            label=LABEL, insecure=True, protections=ready.protections, missing=ready.missing
        )

    def cancel(self, call: Call) -> empty_pb2.Empty:
        """Stop an execution that is running here; its own call then ends with a Canceled error."""
        request = call.unpack(backend_pb2.CancelExecution)
        with self._lock:
            named = [running for running in self._running if running.execution_id == request.execution_id != ""]
        for running in named:
            running.cancel(request.reason[:ERROR_CHARACTERS_MAX])
        return empty_pb2.Empty()

    def execute(self, call: Call) -> confidential_workflow_pb2.ConfidentialWorkflowResponse:
        """Run one workflow in a fresh enclave runner. Raises ``CapabilityError``."""
        deadline = time.monotonic() + call.timeout_s
        request = call.unpack(confidential_workflow_pb2.ConfidentialWorkflowRequest)
        execution = ConfidentialExecution.from_wire(request, metadata=call.metadata)
        cancellation = Cancellation(execution.execution_id)
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
        self._log.info(
            "execution ended: %s", enclave_pb2.Outcome.Name(finished.outcome), extra=_facts(execution, finished)
        )
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
    ) -> enclave_pb2.Finished:
        binary = self._source.fetch(execution.binary_url, deadline=deadline)
        cancellation.check()
        metadata = type(call.metadata)()
        metadata.CopyFrom(call.metadata)
        metadata.workflow_id = execution.workflow_id
        metadata.workflow_owner = execution.owner
        metadata.workflow_execution_id = execution.execution_id
        if metadata.workflow_name and not metadata.decoded_workflow_name:
            # A host names the workflow to this capability in plain; others get the hash, and the name beside it.
            metadata.decoded_workflow_name = metadata.workflow_name
            metadata.workflow_name = name_hash(metadata.workflow_name)
        relay = Relay(self._registry, metadata, execution)
        try:
            runner = self._launcher.take(min(READY_TIMEOUT_S, max(0.0, deadline - time.monotonic())))
        except Unavailable as error:
            raise CapabilityError("Public", "System", "Unavailable", str(error)) from error
        try:
            left_ms = int((deadline - time.monotonic()) * 1000) - ANSWER_MARGIN_MS
            start = enclave_pb2.Start(
                request=call.payload.value,
                binary=binary,
                owner=execution.owner,
                timeout_ms=max(1, left_ms),
                execution_id=execution.execution_id,
            )
            return Session(runner, relay, cancellation, deadline=deadline).run(start)
        finally:
            self._launcher.end(runner)


def _response(finished: enclave_pb2.Finished) -> confidential_workflow_pb2.ConfidentialWorkflowResponse:
    """Both fields of the answer, from one serialization. What a runner says is bounded and checked here once more."""
    if finished.outcome != enclave_pb2.OUTCOME_RESULT:
        origin, name = _FAILURES.get(finished.outcome, ("System", "Internal"))
        name = finished.error_code if finished.error_code in CODES else name
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


def _facts(execution: ConfidentialExecution, finished: enclave_pb2.Finished) -> dict[str, object]:
    """For the log: ids, hash and counts, never payload."""
    return {
        "workflow_id": execution.workflow_id,
        "execution_id": execution.execution_id,
        "binary_sha256": execution.binary_hash.hex(),
        "guest_log_lines": finished.log_lines,
        "backend": LABEL,
    }
