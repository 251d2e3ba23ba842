"""Runs of workflows: starting, waiting, reading, cancelling, killing, and going on after a restart."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from google.protobuf import any_pb2

from strongroom.crypto.srn1 import tag_of
from strongroom.engine.admission import Admission, Start
from strongroom.engine.counted import counted_in
from strongroom.engine.ended import outcome_of
from strongroom.engine.ends import killed
from strongroom.engine.event_types import CANCEL_REQUESTED
from strongroom.engine.executor import Executor
from strongroom.engine.external import check_executed_here, is_external
from strongroom.engine.handles import Outcome, RunHandle
from strongroom.engine.host import EngineHost
from strongroom.engine.lifecycle import FINAL, RunState
from strongroom.engine.room import Room
from strongroom.engine.run_journal import RunJournal
from strongroom.engine.running import Dispatcher
from strongroom.engine.specs import Spec
from strongroom.engine.uptime import Uptime
from strongroom.errors import KeyMissing, NotFound, StorageFault, Tampered, TimedOut, WrongState
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.storage import runs as rows
from strongroom.storage.runs import RunRow
from strongroom.telemetry import logs

__all__ = ["Engine"]

HEADERS: Final = 500
"""Headers read at once when the host starts; bounds the memory of a start with many unfinished runs."""
END_S: Final = 1.0
"""How long a kill waits for an end that is being written when it comes."""
ATTEMPTS: Final = 3
"""How often a wish to stop is written down when the disk does not take it, or takes it after something that is lost."""
STOPPED_IN_S: Final = 5.0
"""Longer than it takes to write down that a run is to stop."""
LOOKS: Final = 20
"""How often the handle of a run is looked for that falls asleep and is woken meanwhile."""
log = logs.get("engine")


class Engine:
    """Accepts and executes runs."""

    def __init__(self, host: EngineHost) -> None:
        self._host = host
        self._executor = Executor(host)
        self.dispatcher = Dispatcher(
            self._executor.execute,
            workers_max=host.limits.runs_in_flight_max,
            room=Room(host.limits, host.starts),
            on_end=counted_in(host.counts),
        )
        self.admission = Admission(host, self.dispatcher, self._take_up)
        self.uptime = Uptime(host.journals.database)
        self.end_of_others: Callable[[RunRow, str], RunRow] = _not_ours
        """Ends a run that others execute, with a reason."""

    def start(self, wish: Start) -> tuple[RunRow, bool]:
        """The header of the run and whether it is new; it is on disk when this returns."""
        return self.admission.start(wish)

    def accept(self, spec: Spec, trigger_index: int, event_id: str, payload: any_pb2.Any) -> tuple[RunRow, bool]:
        """The run of a trigger's event and whether it is new; it is on disk when this returns."""
        return self.admission.accept(spec, trigger_index, event_id, payload)

    def unstarted(self, workflow_id: str) -> int:
        """Accepted runs of a workflow that wait for their first execution."""
        return self.dispatcher.unstarted(workflow_id)

    def wait(self, run_id: str, timeout_s: float) -> tuple[RunRow, Outcome | None]:
        """How the run ended; its header as it stands and nothing else when the host stops, and leaves it to its next
        start. Raises ``TimedOut`` when it has not ended after ``timeout_s``; it goes on all the same."""
        with self.dispatcher.waiter(run_id) as waiter:
            if waiter is not None:
                if not waiter.done.wait(timeout_s):
                    raise TimedOut(
                        "SR-RUN-008",
                        f"run {run_id} has not ended within the deadline of this call",
                        fix="it goes on: ask again with the same run id, or look with strongroom run get",
                        run_id=run_id,
                    )
                if waiter.header is not None and waiter.outcome is not None:
                    return waiter.header, waiter.outcome
        header = self.get(run_id)
        if header.run_id != run_id:
            # Asked for by its execution id.
            return self.wait(header.run_id, timeout_s)
        if header.status not in FINAL and (waiter is not None or self.dispatcher.is_draining):
            return header, None
        if header.status not in FINAL:
            raise TimedOut("SR-RUN-009", f"run {run_id} is {header.status} and not executing on this host now")
        return header, self._outcome(header)

    def get(self, run_id: str) -> RunRow:
        """The header. Raises ``NotFound`` or ``Tampered``."""
        header = self._host.journals.get(run_id)
        if header is None:
            raise NotFound("SR-RUN-001", f"there is no run {run_id[:80]!r}", fix="list runs: strongroom run list")
        return header

    def cancel(self, run_id: str, reason: str, timeout_s: float) -> RunRow:
        """Ask the run to stop and wait until it is final. A run that is final already is left as it is.

        The wish is on disk when this returns, also when it returns before the run is final, and outlives a crash.
        """
        reason = reason or "cancelled on request"
        if (header := self._of_others(run_id)) is not None:
            return self.end_of_others(header, reason)
        content = journal_pb2.CancelRequested(reason=reason).SerializeToString()
        handle = self.written(run_id, lambda journal: journal.note(CANCEL_REQUESTED, "", content), once=True)[0]
        if handle is None:
            return self._ended(run_id, timeout_s)
        with self.dispatcher.waiter(handle.run_id) as waiter:
            handle.cancel.set(reason)
            self.dispatcher.hasten(handle)
            if waiter is not None and waiter.done.wait(timeout_s) and waiter.header is not None:
                return waiter.header
        return self.get(handle.run_id)

    def kill(self, run_id: str, reason: str) -> RunRow:
        """End the run now. Nothing is waited for; answers of its calls that come later are dropped.

        A run that is final already is left as it is.
        """
        if (of_others := self._of_others(run_id)) is not None:
            return self.end_of_others(of_others, reason or "killed on request")
        end = killed(reason or "killed on request")

        def write(journal: RunJournal) -> "Future[None]":
            return journal.move(end.event, end.content, error_code=end.error_code)

        handle, header = self.written(run_id, write)
        if handle is None or header is None:
            return self._ended(run_id, END_S)
        handle.outcome = end.outcome
        handle.calls.close()
        handle.cancel.kill(reason)
        self.dispatcher.forget(handle)
        return header

    def resume(self) -> int:
        """Take up every run that was accepted and not finished; returns how many. Tampered ones are left alone.

        Journals are read when the runs are executed, so a start takes no longer for runs with long ones.
        """
        resumed, after = 0, None
        self.uptime.begin()
        while page := self._unfinished(after):
            for row in page:
                try:
                    header = self._host.journals.verified(row)
                except (Tampered, KeyMissing):
                    log.error("a run failed authentication and is not resumed", extra={"run_id": row.run_id})
                    continue
                if is_external(header):
                    continue
                self._taken_in(header)
                resumed += 1
            after = page[-1].created_at, page[-1].run_id
        return resumed

    def take_over(self) -> int:
        """Take up what another host had accepted and left while this one had no database; returns how many runs.

        As ``resume``, for a host that has its own runs under way.
        """
        before, after = len(self.dispatcher), None
        while page := self._unfinished(after):
            for row in page:
                try:
                    self._take_up(row.run_id)
                except (Tampered, KeyMissing):
                    log.error("a run failed authentication and is not resumed", extra={"run_id": row.run_id})
            after = page[-1].created_at, page[-1].run_id
        return max(len(self.dispatcher) - before, 0)

    def wakes_at(self, header: RunRow) -> int | None:
        """When a run that sleeps goes on, Unix milliseconds: once it has slept or, before that, has used up its time.

        Nothing for a run that does not sleep.
        """
        if header.wake_at is None or not header.started_at:
            return header.wake_at
        begun = header.started_at
        return min(header.wake_at, begun + self.uptime.down_since_ms(begun) + self._host.limits.run_timeout_ms)

    def _take_up(self, run_id: str) -> None:
        """Have an unfinished run executed that this host does not execute. Raises ``Tampered``, ``KeyMissing``."""
        if run_id not in self.dispatcher:
            # Read after that: who executes a run has its end on disk before it lets go of it.
            header = self._host.journals.get(run_id)
            if header is not None and header.status not in FINAL and not is_external(header):
                self._taken_in(header)

    def _taken_in(self, header: RunRow, *, in_s: float = 0.0) -> None:
        used_ms = self.uptime.up_since_ms(header.started_at)
        self.dispatcher.take_up(header, wake_in_s=max(self._wake_in_s(header), in_s), used_ms=used_ms)

    def _unfinished(self, after: tuple[int, str] | None) -> list[RunRow]:
        return self._host.journals.database.read(lambda c: rows.unfinished_page(c, after=after, limit=HEADERS))

    def _wake_in_s(self, header: RunRow) -> float:
        """When a run is to be executed: at once, or, when it sleeps, when it has slept or has used up its time."""
        if header.status != RunState.WAITING or (wakes_at := self.wakes_at(header)) is None:
            return 0.0
        # By a clock that was set back it would sleep for longer than it has.
        return min(wakes_at - self.uptime.clock_ms(), self._host.limits.run_timeout_ms) / 1000

    def _of_others(self, run_id: str) -> RunRow | None:
        """The header of a run that others execute."""
        header = self._host.journals.get(run_id) if run_id not in self.dispatcher else None
        return header if header is not None and is_external(header) else None

    def _ended(self, run_id: str, timeout_s: float) -> RunRow:
        """The header of a run that has ended, or whose end is being written."""
        with self.dispatcher.waiter(run_id) as waiter:
            if waiter is not None:
                waiter.done.wait(timeout_s)
        return self.get(run_id)

    def written(
        self, run_id: str, write: "Callable[[RunJournal], Future[None]]", *, once: bool = False
    ) -> tuple[RunHandle | None, RunRow | None]:
        """The handle of an unfinished run whose journal has on disk what ``write`` appended, and the header with that.

        With ``once`` it is not written for a run that somebody asked to stop already. Nothing when the run is final.
        Raises ``NotFound``, ``StorageFault``, ``Unavailable``, ``Tampered``.
        """
        faults = 0
        for _ in range(LOOKS):
            handle = self.dispatcher.get(run_id)
            if handle is None:
                header = self.get(run_id)
                check_executed_here(header, "be written to")
                if header.status in FINAL:
                    return None, None
                if header.run_id == run_id:
                    # Stored although its caller was told otherwise, or let go of since its journal cannot be read. It
                    # is not executed before it has been stopped.
                    self._taken_in(header, in_s=STOPPED_IN_S)
                run_id = header.run_id
                continue
            handle.stored.wait()
            if once and handle.cancel.reason is not None:
                return handle, None
            journal: RunJournal | None = None
            try:
                journal = handle.opened(self._host.journals)
                journal.settle(write(journal))
            except WrongState:
                # Where only the disk knows that, whoever waits here is told.
                self.dispatcher.wake(handle.run_id)
                return None, None
            except StorageFault:
                # What stands in memory now may not be on the disk: whoever comes next goes back to that.
                if journal is not None:
                    journal.close()
                # A run that fell asleep, or ended, since it was found stands elsewhere by now.
                faults += not handle.retired
                if faults == ATTEMPTS:
                    raise
            else:
                return handle, journal.header
        raise StorageFault("SR-RUN-019", "the journal of a run was not written", fix="try again in a moment")

    def _outcome(self, header: RunRow) -> Outcome:
        last = self._host.journals.page(header, header.head_index, 1)
        if not last or last[0].content is None or not self._host.journals.is_head(header, tag_of(last[0].row.sealed)):
            raise self._host.journals.fault(header)
        return outcome_of(last[0])


def _not_ours(header: RunRow, _reason: str) -> RunRow:
    check_executed_here(header, "be stopped")
    return header
