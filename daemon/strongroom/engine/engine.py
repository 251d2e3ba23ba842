"""Runs of workflows: starting, waiting, reading, cancelling, and going on after a restart."""

from strongroom.engine.admission import Admission, Start
from strongroom.engine.executor import Executor
from strongroom.engine.host import EngineHost
from strongroom.engine.journal import JournalEvent
from strongroom.engine.lifecycle import FINAL, RunEvent
from strongroom.engine.running import Dispatcher, Outcome
from strongroom.errors import KeyMissing, NotFound, Tampered, TimedOut, WrongState
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.storage.runs import RunRow
from strongroom.telemetry import logs

__all__ = ["Engine"]

log = logs.get("engine")


class Engine:
    """Accepts and executes runs."""

    def __init__(self, host: EngineHost) -> None:
        self._host = host
        self._executor = Executor(host)
        self.dispatcher = Dispatcher(
            self._executor.execute, workers_max=host.limits.runs_in_flight_max, queued_max=host.limits.runs_queued_max
        )
        self.admission = Admission(host, self.dispatcher)

    def start(self, wish: Start) -> tuple[RunRow, bool]:
        """The header of the run and whether it is new; it is on disk when this returns."""
        return self.admission.start(wish)

    def wait(self, run_id: str, timeout_s: float) -> tuple[RunRow, Outcome]:
        """How the run ended. Raises ``TimedOut`` when it has not after ``timeout_s``; it goes on all the same."""
        handle = self.dispatcher.get(run_id)
        if handle is not None:
            if not handle.done.wait(timeout_s):
                raise TimedOut(
                    "SR-RUN-008",
                    f"run {run_id} has not ended within the deadline of this call",
                    fix="it goes on: ask again with the same run id, or look with strongroom run get",
                    run_id=run_id,
                )
            if handle.outcome is not None:
                return handle.journal.header, handle.outcome
        header = self.get(run_id)
        if header.status not in FINAL:
            raise TimedOut("SR-RUN-009", f"run {run_id} is {header.status} and not executing on this host now")
        return header, _outcome(self._host.journals.read(header)[-1])

    def get(self, run_id: str) -> RunRow:
        """The header. Raises ``NotFound`` or ``Tampered``."""
        header = self._host.journals.get(run_id)
        if header is None:
            raise NotFound("SR-RUN-001", f"there is no run {run_id[:80]!r}", fix="list runs: strongroom run list")
        return header

    def cancel(self, run_id: str, reason: str, timeout_s: float) -> RunRow:
        """Ask the run to stop and wait until it is final. A run that is final already is left as it is."""
        handle = self.dispatcher.get(run_id)
        if handle is None:
            header = self.get(run_id)
            if header.status not in FINAL:
                raise WrongState("SR-RUN-010", f"run {run_id} is {header.status} and not executing on this host")
            return header
        self.dispatcher.cancel(handle, reason or "cancelled on request")
        handle.done.wait(timeout_s)
        return handle.journal.header if handle.outcome is not None else self.get(run_id)

    def resume(self) -> int:
        """Queue every run that was accepted and not finished; returns how many. Tampered ones are left alone."""
        resumed = 0
        for row in self._host.unfinished():
            try:
                header = self._host.journals.verified(row)
                handle = self._executor.reopened(header)
            except (Tampered, KeyMissing):
                log.error("a run failed authentication and is not resumed", extra={"run_id": row.run_id})
                continue
            self.dispatcher.resume(handle)
            resumed += 1
        return resumed


def _outcome(event: JournalEvent) -> Outcome:
    content = event.content or b""
    if event.row.event_type == RunEvent.COMPLETED:
        completed = journal_pb2.RunCompleted.FromString(content)
        return Outcome(sdk_pb2.ExecutionResult.FromString(completed.result), None)
    return Outcome(None, journal_pb2.Failure.FromString(content))
