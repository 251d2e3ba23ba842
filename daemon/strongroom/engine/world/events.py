"""Appending events, and reading them. Source: contracts, "run-encryption" 7 and 10.

Rule 1: the run id is the first argument, made by the client, and the answer carries the same one.
Rule 2: an event is on disk when its caller hears of it; of several that come together all are, or none.
Rule 3: runs of this host are read here, and not written.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from strongroom.engine.history import no_run
from strongroom.engine.host import EngineHost
from strongroom.engine.runids import check_run_id, new_run_id
from strongroom.engine.world.begin import new_header, start_record
from strongroom.engine.world.contents import ReadEvent
from strongroom.engine.world.drafts import Draft, checked
from strongroom.engine.world.faults import exists_already, invalid
from strongroom.engine.world.ledger import Ledger
from strongroom.engine.world.plan import Plan
from strongroom.engine.world.rules import EventType, RunStatus, run_changed
from strongroom.engine.world.views import Book, HookView, RunView, StepView, WaitView
from strongroom.engine.world.writable import check_writable
from strongroom.errors import Conflict, Internal, LimitExceeded, StrongroomError, Unavailable, WrongState
from strongroom.pb.strongroom.world.v1.event_data_pb2 import EventData
from strongroom.storage.hooks import HookRow
from strongroom.storage.runs import RunRow
from strongroom.telemetry import logs

__all__ = ["Answer", "WorldEvents", "checked_answer"]

BATCH_MAX: Final = 100
"""Events of one call are one transaction, and everybody else waits for it."""
ATTEMPTS: Final = 5
"""How often a journal is read again that somebody else appended to meanwhile, which takes another host or a hook."""
TAKEN_MEANWHILE: Final = "SR-HOOK-009"
HOOK_ID_TAKEN: Final = "SR-HOOK-004"
NOT_RECORDED: Final = "its start could not be recorded"
E = EventType
log = logs.get("world")


@dataclass(frozen=True, slots=True)
class Answer:
    """What an append came to: the event, and the views as of the last one of its call."""

    event: ReadEvent
    header: RunRow
    run: RunView | None
    step: StepView | None = None
    hook: HookView | None = None
    wait: WaitView | None = None


def checked_answer(answer: Answer, requested: str) -> Answer:
    """``answer`` when it is of the run that was asked for. Raises ``Internal`` in the words of the contract."""
    if answer.run is None:
        raise Internal("SR-WORLD-024", f"Missing 'run' in server response for '{answer.event.kind}' event")
    if requested and answer.run.run_id != requested:
        raise Internal(
            "SR-WORLD-023",
            f"Server returned different runId than requested: expected {requested}, got {answer.run.run_id}",
        )
    return answer


class WorldEvents:
    """Creates events. ``clock_ms`` is Unix time."""

    def __init__(self, host: EngineHost, ledger: Ledger, clock_ms: Callable[[], int]) -> None:
        self._host = host
        self._ledger = ledger
        self._clock_ms = clock_ms

    def create(self, run_id: str | None, event: Draft, *, owner: str) -> Answer:
        """Append one event; without a run id, for ``run_created``, the host makes one. ``owner`` is whose a new run is.

        Raises ``InvalidInput``, ``LimitExceeded``, ``NotFound``, ``EntityConflictError``, ``RunExpiredError``,
        ``TooEarlyError``, ``WrongState`` for runs of this host, ``Tampered``, ``KeyMissing``, ``SealBudgetExceeded``,
        ``StorageFault`` and ``Unavailable``.
        """
        return self.create_batch(run_id, [event], owner=owner)[0]

    def create_batch(self, run_id: str | None, events: Sequence[Draft], *, owner: str) -> list[Answer]:
        """Append several events of one run in their order, all or none. Raises as ``create`` does."""
        if not 1 <= len(events) <= BATCH_MAX:
            raise LimitExceeded(
                "SR-WORLD-036",
                f"a call has 1 to {BATCH_MAX} events, and this one {len(events)}",
                fix="make several calls",
                size=len(events),
                limit=BATCH_MAX,
                setting="events_per_call_max",
            )
        drafts = [checked(event, self._host.limits) for event in events]
        first = drafts[0]
        if not run_id and first.kind is not E.RUN_CREATED:
            raise invalid("SR-WORLD-042", f"{first.kind} names no run", "run_id", fix="name the run that it is of")
        requested, run_id = run_id or "", run_id or new_run_id()
        tokens = sorted({draft.data.token for draft in drafts if draft.kind is E.HOOK_CREATED})
        with ExitStack() as held:
            held.enter_context(self._ledger.locked(run_id))
            for token in tokens:
                held.enter_context(self._host.hooks.claim(token))
            answers = self._stored(run_id, drafts, owner)
        return [checked_answer(answer, requested) for answer in answers]

    def _stored(self, run_id: str, drafts: Sequence[Draft], owner: str) -> list[Answer]:
        for _ in range(ATTEMPTS):
            try:
                return self._tried(run_id, drafts, owner)
            except (Conflict, WrongState) as error:
                if error.code == HOOK_ID_TAKEN:
                    raise exists_already("Hook", str(error.details["hook_id"])) from error
                # Refusals of the rules are final; what the disk knew better is looked at again.
                if not error.code.startswith("SR-STORE-") and error.code != TAKEN_MEANWHILE:
                    raise
        raise Unavailable(
            "SR-WORLD-033",
            f"the journal of run {run_id} grew each time that an event was to be appended",
            fix="try again in a moment",
            retry_ms=100,
        )

    def _tried(self, run_id: str, drafts: Sequence[Draft], owner: str) -> list[Answer]:
        before = self._ledger.find(run_id)
        if before is None:
            return self._begun(run_id, drafts, owner)
        if drafts[0].kind is E.RUN_CREATED:
            # Whoever made it, it is there: that comes first.
            run_changed(run_id, RunStatus.PENDING, E.RUN_CREATED)
        if drafts[0].makes_run and before.workflow_owner != owner:
            # Whoever may make runs for one owner does not reach those of another by that.
            raise no_run(run_id)
        check_writable(before)
        plan = self._planned(before, self._ledger.book(before).copied(), drafts)
        if plan.events:
            self._ledger.append(before, plan.events, plan.hooks, ended_at=plan.ended_at, **plan.changes())
        return self._answers(run_id, drafts, plan)

    def _begun(self, run_id: str, drafts: Sequence[Draft], owner: str) -> list[Answer]:
        if not drafts[0].makes_run:
            raise no_run(run_id)
        check_run_id(run_id, now_ms=self._clock_ms())
        self._host.audit.check()
        size = sum(draft.data.ByteSize() for draft in drafts)
        self._host.disk.check("a new run", size)
        self._host.starts.take(owner, size)
        header = new_header(run_id, owner, drafts[0].data, self._host.keys, self._clock_ms())
        plan = self._planned(header, Book(RunView(run_id=run_id)), drafts)
        on_record = start_record(self._host.audit, header)
        try:
            stored = self._ledger.begin(header, plan.events, plan.hooks, ended_at=plan.ended_at, **plan.changes())
        except BaseException as error:
            code = error.code if isinstance(error, StrongroomError) else "failed"
            self._host.audit.begin("run.start", subject=run_id, owner=owner, outcome=code)
            raise
        try:
            on_record.wait()
        except Unavailable:
            self._take_back(stored)
            raise
        return self._answers(run_id, drafts, plan)

    def _planned(self, header: RunRow, book: Book, drafts: Sequence[Draft]) -> Plan:
        plan = Plan(header, book, self._host.limits, self._host.journals.hook_rows, self._holder)
        for draft in drafts:
            plan.add(draft, self._clock_ms())
        return plan

    def _holder(self, token: str) -> HookRow | None:
        journals = self._host.journals
        return journals.database.read(lambda connection: journals.hook_rows.find(connection, token))

    def _take_back(self, header: RunRow) -> None:
        """End a run whose start is not on record."""
        cancelled = Draft(E.RUN_CANCELLED.value, "", EventData(cancel_reason=NOT_RECORDED))
        try:
            plan = self._planned(header, self._ledger.book(header).copied(), [cancelled])
            self._ledger.append(header, plan.events, plan.hooks, ended_at=plan.ended_at, **plan.changes())
        except StrongroomError as error:
            log.error("a run whose start is not on record was not ended", extra={"code": error.code})

    def _answers(self, run_id: str, drafts: Sequence[Draft], plan: Plan) -> list[Answer]:
        """What stands on the disk now, for each draft."""
        header = self._ledger.header(run_id)
        book = self._ledger.book(header)
        answers = []
        for draft, index in zip(drafts, plan.indexes, strict=True):
            name = draft.correlation_id
            answers.append(
                Answer(
                    self._ledger.event(header, book, index),
                    header,
                    book.run,
                    step=book.steps.get(name) if draft.kind.startswith("step_") else None,
                    hook=book.hooks.get(name) if draft.kind.startswith("hook_") else None,
                    wait=book.waits.get(name) if draft.kind.startswith("wait_") else None,
                )
            )
        return answers
