"""Spans of runs. The traceparent of a run is kept in its journal, sealed, so that whatever executes it later, in this
process or the next, writes into the same trace."""

from collections.abc import Callable

from strongroom.engine.handles import RunHandle
from strongroom.engine.recorded import Recorded
from strongroom.errors import GuestSuspended
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.storage.runs import RunRow
from strongroom.telemetry.span_names import RUN_ACCEPT, RUN_EXECUTE
from strongroom.telemetry.tracing import is_on, span

__all__ = ["attributes_of", "mark_accepted", "traced"]

Run = Callable[[RunHandle, Recorded], sdk_pb2.ExecutionResult]


def mark_accepted(header: RunRow, created: journal_pb2.RunCreated) -> None:
    """Note in ``created`` which trace the run belongs to. One that repeats another run is linked to that one's."""
    if not is_on():
        return
    with span(RUN_ACCEPT, attributes_of(header), link=created.traceparent) as made:
        created.traceparent = made.traceparent


def traced(run: Run, handle: RunHandle, recorded: Recorded) -> sdk_pb2.ExecutionResult:
    """What ``run`` returns or raises, in a span under the run's acceptance."""
    if not is_on():
        return run(handle, recorded)
    suspended: GuestSuspended | None = None
    with span(RUN_EXECUTE, attributes_of(handle.header), parent=recorded.created.traceparent) as made:
        try:
            result = run(handle, recorded)
            made.set({"strongroom.outcome": "completed" if result.WhichOneof("result") == "value" else "failed"})
        except GuestSuspended as waits:
            # It waits, which is no failure.
            suspended = waits
            made.set({"strongroom.outcome": "suspended"})
    if suspended is not None:
        raise suspended
    return result


def attributes_of(header: RunRow) -> dict[str, str | int]:
    """What a span says of a run."""
    return {
        "strongroom.run.id": header.run_id,
        "strongroom.execution.id": header.execution_id,
        "strongroom.workflow.id": header.workflow_id,
        "strongroom.workflow.name": header.workflow_name,
        "strongroom.module": header.module,
        "strongroom.binary.sha256": header.binary_sha256,
    }
