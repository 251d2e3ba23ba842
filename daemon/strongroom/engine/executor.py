"""Executing an accepted run to its end, or to where it waits: route, run, seal the outcome, sync it."""

import time
from typing import Any, Final

from strongroom.engine.ends import cancelled, end_of, failed, time_is_up
from strongroom.engine.event_types import RESTRICTIONS_SET
from strongroom.engine.execution import RunHelper
from strongroom.engine.guest_log import GuestLog
from strongroom.engine.handles import End, RunHandle, Waits
from strongroom.engine.host import EngineHost
from strongroom.engine.lifecycle import FINAL, NO_SUCH_WAY, RunEvent, RunState
from strongroom.engine.own_calls import OwnCalls
from strongroom.engine.pre_hook import GuestRun
from strongroom.engine.receipts import keep, mark_started
from strongroom.engine.recorded import Recorded, entropy_of
from strongroom.engine.retrying import Caller, is_retried
from strongroom.engine.run_capability import NOT_NOW
from strongroom.engine.selection import CANNOT_BE_ASKED
from strongroom.engine.specs import Spec
from strongroom.engine.steps import Steps
from strongroom.engine.suspension import suspend, suspension_refusal, until_there
from strongroom.engine.traced import traced
from strongroom.errors import (
    CapabilityError,
    GuestSuspended,
    Internal,
    KeyMissing,
    NotFound,
    Refused,
    StorageFault,
    StrongroomError,
    Tampered,
    Unavailable,
    WrongState,
)
from strongroom.guest.ids import TRIGGER
from strongroom.guest.starter.started import AWAY
from strongroom.modules.module import Module
from strongroom.modules.route import CONFIDENTIAL
from strongroom.modules.tees import CAPABILITY_ID
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.plugin.error_text import error_of
from strongroom.telemetry import logs

__all__ = ["Executor"]

NS_PER_MS: Final = 1_000_000
log = logs.get("engine")


class Executor:
    """Executes runs. One object serves every worker."""

    def __init__(self, host: EngineHost) -> None:
        self._host = host
        self._limits = host.limits

    def execute(self, handle: RunHandle) -> bool | Waits:
        """Execute one run to its end (True), or to where it waits. False when its journal could not be written and it
        must be tried again.

        A guest that has ended is not executed again because its end could not be stored: only the write is repeated.
        """
        if handle.outcome is not None:
            return True
        try:
            if handle.end is None:
                executed = self._executed(handle, handle.read(self._host.journals))
                if isinstance(executed, Waits):
                    return executed
                handle.end = executed
            self._store(handle, handle.end)
        except (StorageFault, WrongState, Unavailable) as error:
            if self._host.journals.stopped:
                # Its runner or a plugin is gone with this host: no end of the run, which goes on at the next start.
                return handle.outcome is not None
            # What the disk says counts, also where it says that the run has ended already.
            return handle.outcome is not None or self._back_to_disk(handle, error)
        except (Tampered, KeyMissing, NotFound) as error:
            # It cannot even be ended, for want of its key, or of its journal as it was written; it is left alone.
            log.error("a run cannot be journalled", extra={"run_id": handle.run_id, "code": error.code})
        return True

    def _executed(self, handle: RunHandle, recorded: Recorded) -> End | Waits:
        """How the guest ended, what it waits for, or why it could not start. Raises ``StorageFault`` when something was
        not journalled."""
        end: End | None = None
        try:
            if handle.cancel.reason is None:
                end = end_of(traced(self._run, handle, recorded))
        except GuestSuspended as suspended:
            if handle.cancel.reason is None:
                if (refusal := suspension_refusal(recorded, self._limits.steps_max)) is None:
                    return suspend(handle, suspended, self._limits)
                end = failed(refusal)
        except StorageFault:
            raise
        except StrongroomError as error:
            if error.code == NO_SUCH_WAY:
                # Somebody ends the run, or tried to: the disk knows.
                raise
            if error.code in {CANNOT_BE_ASKED, AWAY} and handle.cancel.reason is None:
                return until_there(handle, error, self._limits)
            end = failed(error)
        except Exception:
            # The last line of defence: a bug here must end one run, not the worker or the host.
            log.exception("executing a run failed unexpectedly", extra={"run_id": handle.run_id})
            end = failed(Internal("SR-INT-001", "an internal error ended the run", fix="see the daemon's log"))
        finally:
            handle.cancel.forget_guest()
        if handle.cancel.reason is None and end is not None:
            return end
        if handle.outcome is None:
            # What was sent may have had its effect, so its answer belongs into the journal, if it comes soon.
            left_s = handle.cancel.asked_s + self._limits.cancel_grace_ms / 1000 - time.monotonic()
            handle.calls.wait_idle(max(left_s, 0))
        return cancelled(handle.cancel.reason or "")

    def _run(self, handle: RunHandle, recorded: Recorded) -> sdk_pb2.ExecutionResult:
        if handle.spent_ms() >= self._limits.run_timeout_ms:
            raise time_is_up(self._limits.run_timeout_ms)
        if (full := handle.held_journal().full) is not None:
            # Found by a call that went on without its guest.
            raise full
        handle.began_s = time.monotonic()
        spec = self._spec(handle)
        module = self._host.module(spec, handle.module)
        handle.marks = _marks(module)
        mark_started(handle)
        steps = self._steps(handle, recorded)
        trigger = sdk_pb2.Trigger.FromString(recorded.created.trigger)
        attempts = 1
        while True:
            helpers: list[RunHelper] = []

            def helper_of(phase: str, helpers: list[RunHelper] = helpers) -> RunHelper:
                helpers.append(self._helper(handle, spec, recorded, steps, phase))
                return helpers[-1]

            guest = GuestRun(
                host=self._host,
                spec=spec,
                module_name=handle.module,
                trigger=trigger,
                helper_of=helper_of,
                known=recorded.restrictions,
                remember=lambda answer: self._remember(handle, recorded, answer),
                recorded=recorded,
                counted=handle.counted,
            )
            try:
                result = self._result(guest, helpers)
            except StrongroomError as error:
                if not self._is_asked_again(handle, spec, error, attempts):
                    raise
                attempts += 1
                continue
            # A backend that could not be asked before has answered by now.
            handle.marks = _marks(module)
            return result

    @staticmethod
    def _result(guest: GuestRun, helpers: list[RunHelper]) -> sdk_pb2.ExecutionResult:
        try:
            result = guest.execute()
        except (StrongroomError, GuestSuspended) as error:
            # The helper knows better why a guest was stopped than whoever stopped it.
            raise next((helper.failure for helper in helpers if helper.failure), error) from error.__cause__
        finally:
            for helper in helpers:
                helper.guest_log.flush()
        for helper in helpers:
            if helper.failure is not None:
                raise helper.failure
        return result

    def _is_asked_again(self, handle: RunHandle, spec: Spec, error: StrongroomError, attempts: int) -> bool:
        """Whether the enclave is to execute the run again, under the same execution id: its plugin was away."""
        cause = error if isinstance(error, Unavailable) else error.__cause__
        if handle.module != CONFIDENTIAL or not isinstance(cause, Unavailable | CapabilityError):
            return False
        policy = spec.attributes.retry
        is_once = self._host.capabilities.at_most_once(CAPABILITY_ID)
        if is_once or attempts >= policy.attempts_max or not is_retried(error_of(cause), policy):
            return False
        wait_ms = policy.wait_ms(attempts)
        left_ms = self._limits.run_timeout_ms - handle.spent_ms()
        return wait_ms < left_ms and not handle.cancel.wait(wait_ms / 1000)

    def _spec(self, handle: RunHandle) -> Spec:
        """The record that the run was accepted under: read then, or now, when it was taken up from its journal.

        The workflow id does not cover attributes, so the same id may by now stand for something that runs elsewhere.
        """
        header = handle.header
        try:
            spec = handle.spec or self._host.specs.get(header.workflow_id)
        except Unavailable as error:
            # The database, not the workflow: the run is tried again and does not fail for it.
            raise StorageFault("SR-RUN-029", "the workflow of a run could not be read now", why=str(error)) from error
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

    def _steps(self, handle: RunHandle, recorded: Recorded) -> Steps:
        journal = handle.held_journal()
        journal.bytes_max = self._limits.journal_bytes_max
        return Steps(
            journal=journal,
            recorded=recorded,
            calls=handle.calls,
            cancel=handle.cancel,
            steps_max=self._limits.steps_max,
            time_reads_max=recorded.created.time_reads_max or self._limits.time_reads_max,
        )

    def _helper(self, handle: RunHandle, spec: Spec, recorded: Recorded, steps: Steps, phase: str) -> RunHelper:
        header, created, suspended = handle.header, recorded.created, recorded.suspended
        is_trigger = phase == TRIGGER
        metadata = self._host.metadata(spec, header.execution_id, accepted_unix_ns=created.accepted_unix_ns)
        # A run that slept is executed again when it has slept, and never before.
        slept = suspended.sleeps_done + (suspended.wake_unix_ns > 0) if suspended and is_trigger else 0
        return RunHelper(
            steps=steps,
            caller=Caller(
                capabilities=self._host.capabilities,
                metadata=metadata,
                policy=spec.attributes.retry,
                cancel=handle.cancel,
                timeout_ms=self._limits.capability_call_timeout_ms,
                listed=spec.attributes.vault_don_secrets,
            ),
            reader=self._host.secrets,
            named_secrets=spec.attributes.vault_don_secrets,
            guest_log=GuestLog(handle.held_journal(), phase, recorded.log_lines.get(phase, {})),
            phase=phase,
            execution_id=created.seen_execution_id or header.execution_id,
            timeout_ms=max(self._limits.run_timeout_ms - handle.spent_ms(), 1),
            timeout_limit_ms=self._limits.run_timeout_ms,
            response_bytes_max=created.response_bytes_max,
            log_lines_max=created.log_lines_max,
            log_line_bytes_max=created.log_line_bytes_max,
            node_seed=created.node_seed,
            entropy=entropy_of(created, header.run_id, phase),
            # Journals from before have no such moment; that of the header is as good, and as lasting.
            clock_unix_ns=created.accepted_unix_ns or header.created_at * NS_PER_MS,
            sleeps_done=slept,
            suspend_after_ms=self._limits.suspend_after_ms if is_trigger else 0,
            secret_bytes=handle.counted.secret_bytes(phase, recorded, self._limits),
            keep_receipt=lambda *kept: keep(handle, recorded, *kept, is_end=is_trigger),
            own=OwnCalls(self._host.own if is_trigger else NOT_NOW, handle, recorded),
        )

    @staticmethod
    def _remember(handle: RunHandle, recorded: Recorded, answer: journal_pb2.RestrictionsSet) -> None:
        """Have the pre-hook's answer on disk before the trigger runs under it."""
        journal = handle.held_journal()
        journal.settle(journal.note(RESTRICTIONS_SET, "", answer.SerializeToString(deterministic=True)))
        recorded.restrictions = answer

    def _store(self, handle: RunHandle, end: End) -> None:
        journal = handle.held_journal()
        if end.event == RunEvent.COMPLETED and journal.header.status in {RunState.PENDING, RunState.WAITING}:
            # The start was lost with an earlier write; the table knows no way from there to completed.
            mark_started(handle)
        journal.settle(journal.move(end.event, end.content, error_code=end.error_code, **handle.marks))
        handle.calls.close()
        handle.outcome = end.outcome

    def _back_to_disk(self, handle: RunHandle, cause: StrongroomError) -> bool:
        """After a failed write, forget what the disk does not have. True when the disk says that the run has ended."""
        try:
            header = handle.begin_anew(self._host.journals)
            if header is None or header.status in FINAL:
                return True
        except StrongroomError as error:
            log.error("the disk does not say how a run stands", extra={"run_id": handle.run_id, "code": error.code})
            return False
        log.error(
            "the journal of a run could not be written; it is tried again",
            extra={"run_id": handle.run_id, "code": cause.code, "why": str(cause)},
        )
        return False


def _marks(module: Module) -> dict[str, Any]:  # Any: values of header columns
    backend = module.backend()
    return {"backend": backend.label, "insecure": int(backend.insecure)}
