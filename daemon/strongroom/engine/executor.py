"""Executing an accepted run to its end: route, run, seal the outcome, sync it."""

from typing import Final

from strongroom.engine.execution import RunHelper
from strongroom.engine.host import EngineHost
from strongroom.engine.journal import STEP_COMPLETED, STEP_CREATED, RunJournal
from strongroom.engine.lifecycle import FINAL, RunEvent
from strongroom.engine.running import Outcome, RunHandle
from strongroom.engine.specs import Spec
from strongroom.errors import (
    Cancelled,
    Conflict,
    Internal,
    NotFound,
    StorageFault,
    StrongroomError,
    TimedOut,
    WrongState,
)
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
        """Execute one run to its end. False when its journal could not be written and it must be tried again."""
        try:
            handle.outcome = self._run(handle)
        except (StorageFault, Conflict):
            return self._back_to_disk(handle)
        except StrongroomError as error:
            return self._fail(handle, error)
        except Exception:
            # The last line of defence: a bug here must end one run, not the worker or the host.
            log.exception("executing a run failed unexpectedly", extra={"run_id": handle.journal.header.run_id})
            return self._fail(
                handle, Internal("SR-INT-001", "an internal error ended the run", fix="see the daemon's log")
            )
        return True

    def reopened(self, header: RunRow) -> RunHandle:
        """A handle that goes on from the journal: steps that have an answer there are not sent again."""
        events = self._host.journals.read(header)
        created = journal_pb2.RunCreated.FromString(events[0].content or b"")
        handle = RunHandle(RunJournal(self._host.journals, header), created.trigger, created.node_seed)
        for event in events:
            content = event.content or b""
            if event.row.event_type == STEP_CREATED:
                handle.answered[int(event.row.correlation_id)] = (
                    journal_pb2.StepCreated.FromString(content).request,
                    b"",
                )
            elif event.row.event_type == STEP_COMPLETED:
                callback = int(event.row.correlation_id)
                response = journal_pb2.StepCompleted.FromString(content).response
                handle.answered[callback] = (handle.answered[callback][0], response)
        return handle

    def _run(self, handle: RunHandle) -> Outcome:
        journal = handle.journal
        if handle.cancel.reason is not None:
            raise Cancelled("SR-RUN-015", handle.cancel.reason)
        # Read when the run was accepted, or now, when it was taken up from its journal.
        spec = handle.spec or self._host.specs.get(journal.header.workflow_id)
        if spec is None:
            raise NotFound("SR-WF-003", f"workflow {journal.header.workflow_id} was deleted", fix="register it again")
        module = self._host.module(spec)
        backend = module.backend()
        journal.move(RunEvent.STARTED, backend=backend.label, insecure=int(backend.insecure))
        helper = self._helper(handle, spec)
        request = sdk_pb2.ExecuteRequest(
            config=spec.config,
            trigger=sdk_pb2.Trigger.FromString(handle.trigger),
            max_response_size=self._host.limits.response_bytes_max,
        )
        try:
            result = module.execute(request, helper)
        except StrongroomError as error:
            # The helper knows better why a guest was stopped than whoever stopped it.
            raise helper.failure or error from None
        if helper.failure is not None:
            raise helper.failure
        return self._finish(journal, result)

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

    def _finish(self, journal: RunJournal, result: sdk_pb2.ExecutionResult) -> Outcome:
        kind = result.WhichOneof("result")
        if kind == "value":
            content = journal_pb2.RunCompleted(result=result.SerializeToString(deterministic=True))
            journal.move(RunEvent.COMPLETED, content.SerializeToString()).result()
            return Outcome(result, None)
        failure = journal_pb2.Failure(code="SR-GUEST-031", error=result.error, help="the workflow itself reported this")
        if kind != "error":
            failure = journal_pb2.Failure(
                code="SR-GUEST-032",
                error=f"the guest answered a trigger with {kind or 'an empty result'}",
                help="answer a trigger with a value or an error",
            )
        journal.move(RunEvent.FAILED, failure.SerializeToString(), error_code=failure.code).result()
        return Outcome(None, failure)

    def _fail(self, handle: RunHandle, error: StrongroomError) -> bool:
        failure = journal_pb2.Failure(code=error.code, error=str(error), help=error.fix)
        event = ENDS.get(type(error), RunEvent.FAILED)
        try:
            handle.journal.move(event, failure.SerializeToString(), error_code=error.code).result()
        except (StorageFault, Conflict):
            return self._back_to_disk(handle)
        except WrongState:
            # It has ended already; what the disk says is the outcome.
            return True
        handle.outcome = Outcome(None, failure)
        return True

    def _back_to_disk(self, handle: RunHandle) -> bool:
        """After a failed write, forget what the disk does not have. True when the disk says that the run has ended."""
        run_id = handle.journal.header.run_id
        log.error("the journal of a run could not be written; it is tried again", extra={"run_id": run_id})
        try:
            header = self._host.journals.get(run_id)
            if header is None or header.status in FINAL:
                return True
            again = self.reopened(header)
        except StrongroomError:
            return False
        handle.journal, handle.answered, handle.spec = again.journal, again.answered, None
        return False
