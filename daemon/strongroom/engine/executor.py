"""Executing an accepted run to its end: route, run, seal the outcome, sync it."""

from typing import Any, Final

from strongroom.engine.event_types import RESTRICTIONS_SET, STEP_COMPLETED, STEP_CREATED
from strongroom.engine.execution import RunHelper
from strongroom.engine.host import EngineHost
from strongroom.engine.lifecycle import FINAL, RunEvent, RunState
from strongroom.engine.pre_hook import GuestRun
from strongroom.engine.run_journal import RunJournal
from strongroom.engine.running import End, Outcome, RunHandle
from strongroom.engine.specs import Spec
from strongroom.errors import (
    Cancelled,
    Internal,
    NotFound,
    Refused,
    StorageFault,
    StrongroomError,
    TimedOut,
    WrongState,
)
from strongroom.modules.module import Module
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.storage.runs import RunRow
from strongroom.telemetry import logs

__all__ = ["Executor"]

ENDS: Final = {TimedOut: RunEvent.TIMED_OUT, Cancelled: RunEvent.CANCELLED}
log = logs.get("engine")


class Executor:
    """Executes runs. One object serves every worker."""

    def __init__(self, host: EngineHost) -> None:
        self._host = host

    def execute(self, handle: RunHandle) -> bool:
        """Execute one run to its end. False when its journal could not be written and it must be tried again.

        A guest that has ended is not executed again because its end could not be stored: only the write is repeated.
        """
        try:
            if handle.end is None:
                handle.end = self._executed(handle)
            self._store(handle, handle.end)
        except (StorageFault, WrongState):
            # What the disk says counts, also where it says that the run has ended already.
            return self._back_to_disk(handle)
        except StrongroomError as error:
            # It cannot even be ended, for want of its key; the journal keeps it for when that is back.
            log.error("a run cannot be journalled", extra={"run_id": handle.run_id, "code": error.code})
        return True

    def reopened(self, header: RunRow) -> RunHandle:
        """A handle that goes on from the journal: steps that have an answer there are not sent again."""
        events = self._host.journals.read(header)
        created = journal_pb2.RunCreated.FromString(events[0].content or b"")
        handle = RunHandle(RunJournal(self._host.journals, header), created.trigger, created.node_seed)
        for event in events:
            content = event.content or b""
            if event.row.event_type == STEP_CREATED:
                request = journal_pb2.StepCreated.FromString(content).request
                handle.answered[int(event.row.correlation_id)] = (request, b"")
            elif event.row.event_type == STEP_COMPLETED:
                callback = int(event.row.correlation_id)
                response = journal_pb2.StepCompleted.FromString(content).response
                handle.answered[callback] = (handle.answered[callback][0], response)
            elif event.row.event_type == RESTRICTIONS_SET:
                handle.restrictions = journal_pb2.RestrictionsSet.FromString(content)
        return handle

    def _executed(self, handle: RunHandle) -> End:
        """How the guest ended, or why it could not start. Raises ``StorageFault`` when a step was not journalled."""
        try:
            return _end_of(self._run(handle))
        except StorageFault:
            raise
        except StrongroomError as error:
            return _failed(error)
        except Exception:
            # The last line of defence: a bug here must end one run, not the worker or the host.
            log.exception("executing a run failed unexpectedly", extra={"run_id": handle.run_id})
            return _failed(Internal("SR-INT-001", "an internal error ended the run", fix="see the daemon's log"))

    def _run(self, handle: RunHandle) -> sdk_pb2.ExecutionResult:
        if handle.cancel.reason is not None:
            raise Cancelled("SR-RUN-015", handle.cancel.reason)
        spec = self._spec(handle)
        module = self._host.module(spec, handle.journal.header.module)
        handle.marks = _marks(module)
        handle.journal.move(RunEvent.STARTED, **handle.marks)
        helpers: list[RunHelper] = []

        def helper_of(phase: str) -> RunHelper:
            del phase
            helpers.append(self._helper(handle, spec))
            return helpers[-1]

        guest = GuestRun(
            host=self._host,
            spec=spec,
            module_name=handle.journal.header.module,
            trigger=sdk_pb2.Trigger.FromString(handle.trigger),
            helper_of=helper_of,
            known=handle.restrictions,
            remember=lambda answer: self._remember(handle, answer),
        )
        try:
            result = guest.execute()
        except StrongroomError as error:
            # The helper knows better why a guest was stopped than whoever stopped it.
            raise next((helper.failure for helper in helpers if helper.failure), error) from None
        for helper in helpers:
            if helper.failure is not None:
                raise helper.failure
        # A backend that could not be asked before has answered by now.
        handle.marks = _marks(module)
        return result

    def _spec(self, handle: RunHandle) -> Spec:
        """The record that the run was accepted under: read then, or now, when it was taken up from its journal.

        The workflow id does not cover attributes, so the same id may by now stand for something that runs elsewhere.
        """
        header = handle.journal.header
        spec = handle.spec or self._host.specs.get(header.workflow_id)
        if spec is None:
            raise NotFound("SR-WF-003", f"workflow {header.workflow_id} was deleted", fix="register it again")
        chosen = self._host.selection.module_of(spec, header.trigger_index)
        if (chosen, spec.row.binary_sha256) != (header.module, header.binary_sha256):
            raise Refused(
                "SR-RUN-020",
                f"workflow {header.workflow_id} is registered otherwise than when this run was accepted",
                why=f"the run was accepted as {header.module}, and it runs so or not at all",
                fix="start a new run",
                workflow_id=header.workflow_id,
            )
        return spec

    def _helper(self, handle: RunHandle, spec: Spec) -> RunHelper:
        header = handle.journal.header
        return RunHelper(
            journal=handle.journal,
            execution_id=header.execution_id,
            metadata=self._host.metadata(spec, header.execution_id),
            capabilities=self._host.capabilities,
            reader=self._host.secrets,
            named_secrets=spec.attributes.vault_don_secrets,
            answered=handle.answered,
            cancel=handle.cancel,
            timeout_ms=self._host.limits.run_timeout_ms,
            call_timeout_ms=self._host.limits.capability_call_timeout_ms,
            node_seed=handle.node_seed,
        )

    @staticmethod
    def _remember(handle: RunHandle, answer: journal_pb2.RestrictionsSet) -> None:
        """Keep the pre-hook's answer; on disk when this returns."""
        handle.journal.settle(handle.journal.note(RESTRICTIONS_SET, "", answer.SerializeToString()))
        handle.restrictions = answer

    def _store(self, handle: RunHandle, end: End) -> None:
        journal = handle.journal
        if end.event == RunEvent.COMPLETED and journal.header.status == RunState.PENDING:
            # The start was lost with an earlier write; the table knows no way from pending to completed.
            journal.move(RunEvent.STARTED, **handle.marks)
        journal.settle(journal.move(end.event, end.content, error_code=end.error_code, **handle.marks))
        handle.outcome = end.outcome

    def _back_to_disk(self, handle: RunHandle) -> bool:
        """After a failed write, forget what the disk does not have. True when the disk says that the run has ended."""
        log.error("the journal of a run could not be written; it is tried again", extra={"run_id": handle.run_id})
        try:
            header = self._host.journals.get(handle.run_id)
            if header is None or header.status in FINAL:
                return True
            again = self.reopened(header)
        except StrongroomError:
            return False
        handle.journal, handle.answered, handle.spec = again.journal, again.answered, None
        handle.restrictions = again.restrictions
        return False


def _marks(module: Module) -> dict[str, Any]:  # Any: values of header columns
    backend = module.backend()
    return {"backend": backend.label, "insecure": int(backend.insecure)}


def _end_of(result: sdk_pb2.ExecutionResult) -> End:
    kind = result.WhichOneof("result")
    if kind == "value":
        content = journal_pb2.RunCompleted(result=result.SerializeToString(deterministic=True))
        return End(RunEvent.COMPLETED, content.SerializeToString(), "", Outcome(result, None))
    failure = journal_pb2.Failure(code="SR-GUEST-031", error=result.error, help="the workflow itself reported this")
    if kind != "error":
        failure = journal_pb2.Failure(
            code="SR-GUEST-032",
            error=f"the guest answered a trigger with {kind or 'an empty result'}",
            help="answer a trigger with a value or an error",
        )
    return End(RunEvent.FAILED, failure.SerializeToString(), failure.code, Outcome(None, failure))


def _failed(error: StrongroomError) -> End:
    failure = journal_pb2.Failure(code=error.code, error=str(error), help=error.fix)
    event = ENDS.get(type(error), RunEvent.FAILED)
    return End(event, failure.SerializeToString(), error.code, Outcome(None, failure))
