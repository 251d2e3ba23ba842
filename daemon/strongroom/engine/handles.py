"""One run in the memory of this host, while it is queued, executed, or has calls under way."""

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from strongroom.engine.calls import Calls, Later
from strongroom.engine.cancel_signal import CancelSignal
from strongroom.engine.event_types import STEP_COMPLETED
from strongroom.engine.journal import Event, Journals
from strongroom.engine.lifecycle import RunEvent
from strongroom.engine.recorded import Recorded, recorded
from strongroom.engine.restrictions import Counted
from strongroom.engine.run_journal import RunJournal
from strongroom.engine.specs import Spec
from strongroom.errors import Internal, NotFound, StorageFault, Unavailable
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.storage.runs import RunRow

__all__ = ["Asleep", "End", "Outcome", "Place", "RunHandle", "Waits"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: a result, or a failure."""

    result: sdk_pb2.ExecutionResult | None
    failure: journal_pb2.Failure | None


@dataclass(frozen=True, slots=True)
class End:
    """The end of a run before it is stored: the event, its content, the code in the clear, and what it comes to."""

    event: RunEvent
    content: bytes = field(repr=False)
    error_code: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """What a suspended run waits for: the end of a sleep, answers and payloads of ``hooks``, or (``slot_below``) fewer
    calls under way.

    ``due_s`` (monotonic) is when it is woken whatever happens, ``not_before_s`` when an answer may wake it at the
    earliest.
    """

    due_s: float
    not_before_s: float = 0.0
    sleeps: bool = False
    awaiting: tuple[str, ...] = ()
    hooks: tuple[Later, ...] = ()
    slot_below: int = 0
    heeds_cancel: bool = True

    @property
    def may_sleep(self) -> bool:
        """Whether its rows tell all that there is to know of it, once nothing is under way."""
        return self.sleeps or bool(self.hooks)

    def is_over(self, calls: Calls) -> bool:
        """Whether the guest can go on, for all that ``calls`` knows."""
        if self.sleeps:
            return False
        if self.slot_below:
            return calls.taken < self.slot_below
        return calls.have_left(self.awaiting) and calls.have_come(self.hooks)


class Place(Enum):
    """Where a handle is: accepted, queued for a worker, executed, or waiting for an answer or an alarm."""

    NEW = auto()
    QUEUED = auto()
    EXECUTING = auto()
    PARKED = auto()


@dataclass(frozen=True, slots=True)
class Asleep:
    """What is kept of a run that waits and has nothing under way on this host; its rows know the rest.

    It has used up the time since ``since_s`` (monotonic), nothing when that is none; where that ``is_late``, there come
    ``used_ms`` on top, or what its journal tells of, if that is more. It is woken at ``due_s`` (monotonic) by an alarm
    with ``token``.
    ``is_unstarted`` while its guest was never executed.
    """

    module: str
    workflow_id: str
    owner: str
    token: int
    due_s: float
    since_s: float | None
    is_late: bool
    is_unstarted: bool
    used_ms: int = 0

    @classmethod
    def of(cls, handle: "RunHandle") -> "Asleep":
        """What is kept of a handle that falls asleep."""
        return cls(
            handle.module,
            handle.workflow_id,
            handle.owner,
            handle.token,
            handle.due_s,
            handle.since_s or time.monotonic(),
            handle.is_late,
            handle.is_unstarted,
            handle.used_ms,
        )


@dataclass(eq=False, slots=True)
class RunHandle:
    """One run. ``stored`` is set when it is accepted or refused; ``outcome`` stands once it has ended.

    ``journal`` and ``recorded`` are read when they are needed; ``spec`` is the record that the run was accepted under,
    ``marks`` what the header says of the backend that executes it, ``end`` how it ended when only the write is missing,
    ``began_s`` (monotonic) when its guest was executed last, ``waits`` what it waits for since then. ``held`` is the
    journal that the guest was executed on: whoever executes goes back to the disk when that is lost, also after
    somebody else opened the next one, and ``lost`` are its times and log lines that the disk does not have.
    ``retired``: no journal is opened by this handle any more.
    """

    run_id: str
    module: str
    workflow_id: str
    owner: str = ""
    journal: RunJournal | None = None
    recorded: Recorded | None = None
    spec: Spec | None = None
    cancel: CancelSignal = field(default_factory=CancelSignal)
    calls: Calls = field(default_factory=Calls)
    counted: Counted = field(default_factory=Counted)
    marks: dict[str, Any] = field(default_factory=dict)  # Any: values of header columns
    end: End | None = None
    outcome: Outcome | None = None
    place: Place = Place.NEW
    token: int = 0
    waits: Waits | None = None
    due_s: float = 0.0
    began_s: float = 0.0
    since_s: float | None = None
    is_late: bool = False
    used_ms: int = 0
    is_unstarted: bool = True
    queued: "Future[None] | None" = None
    stored: threading.Event = field(default_factory=threading.Event)
    loading: threading.RLock = field(default_factory=threading.RLock)
    held: RunJournal | None = None
    retired: bool = False
    lost: list[Event] = field(default_factory=list)

    @classmethod
    def woken(cls, run_id: str, asleep: Asleep) -> "RunHandle":
        """The handle of a run that sleeps."""
        handle = cls(run_id, asleep.module, asleep.workflow_id, asleep.owner)
        handle.token, handle.due_s, handle.is_unstarted = asleep.token, asleep.due_s, asleep.is_unstarted
        handle.since_s, handle.is_late, handle.used_ms = asleep.since_s, asleep.is_late, asleep.used_ms
        handle.stored.set()
        return handle

    def opened(self, journals: Journals) -> RunJournal:
        """The journal for appending, opened anew from the disk when the one before was lost. One is open at a time.

        Raises ``NotFound``, ``Tampered``, ``Unavailable``, and ``StorageFault``, also for a handle that is retired.
        """
        with self.loading:
            if self.retired:
                raise StorageFault("SR-RUN-019", "the journal of a run was not written", why="its handle is retired")
            if (self.journal is None or self.journal.closed) and self._open(journals) is None:
                raise NotFound("SR-RUN-001", f"there is no run {self.run_id!r}", fix="it was deleted")
            if self.journal is None:
                raise Internal("SR-INT-004", f"the journal of run {self.run_id!r} was not opened")
            return self.journal

    def read(self, journals: Journals) -> Recorded:
        """What the journal says, read unless it is known. Raises ``Tampered``, ``KeyMissing``, ``StorageFault``."""
        with self.loading:
            journal = self.held = self.opened(journals)
            if self.recorded is None:
                # In this order: an answer that comes now is kept, or is on the disk already, or both.
                self.calls.begin_again()
                known = recorded(journal.read_back())
                if self._write_kept(journal, known):
                    known = recorded(journal.read_back())
                # The guest is run again, so it asks again for what is not on the disk.
                self.calls.keep_only(known.steps)
                self.recorded = known
                self.lost.clear()
            if self.recorded.cancel_reason is not None:
                self.cancel.set(self.recorded.cancel_reason)
            if self.since_s is None or self.is_late:
                suspended = self.recorded.suspended
                since_s = time.monotonic() if self.since_s is None else self.since_s
                self.since_s = since_s - max(suspended.spent_ms if suspended else 0, self.used_ms) / 1000
                self.is_late = False
            return self.recorded

    def begin_anew(self, journals: Journals) -> RunRow | None:
        """After a failed write: close the journal, forget what the disk does not have, and give the header it has."""
        with self.loading:
            if self.journal is not None:
                self.journal.close()
            self.calls.begin_anew()
            header = self._open(journals)
            self.held, self.spec = self.journal, None
            return header

    def fall_asleep(self) -> bool:
        """Retire, unless something is under way or somebody is busy with the journal; whether it is retired now.

        Who holds this handle finds its journal closed and goes to the one that stands for the run by then.
        """
        if not self.loading.acquire(blocking=False):
            return False
        try:
            if self.calls.is_idle and (self.journal is None or self.journal.close_if_at_rest()):
                self.retired = self.calls.close_if_idle()
            return self.retired
        finally:
            self.loading.release()

    def retire(self) -> None:
        """The run has ended, or is left to the next start: nothing is appended through this handle any more."""
        self.retired = True
        if self.journal is not None:
            self.journal.close()

    def _open(self, journals: Journals) -> RunRow | None:
        """Open the journal as the disk has it, after another one that was closed; nothing when the run is gone."""
        before = self.journal
        if before is not None:
            try:
                # What was handed over before has succeeded or failed once this has.
                journals.database.write(lambda _connection: None).result()
            except Unavailable as error:
                raise StorageFault("SR-RUN-019", "the journal of a run was not written", why=str(error)) from error
        header = journals.get(self.run_id)
        if header is None:
            self.journal = None
            return None
        if before is not None:
            self.lost += before.lost_after(header.head_index)
        owed: list[Event] = []
        if self.end is not None:
            # A guest that has ended is not executed again, so what it saw must not be missing before its end.
            owed, self.lost = self.lost, owed
        self.journal, self.recorded = RunJournal(journals, header, owed), None
        if self.retired:
            self.journal.close()
        return header

    def _write_kept(self, journal: RunJournal, known: Recorded) -> bool:
        """Journal the answers that came while the journal took nothing; whether there were any."""
        kept = self.calls.kept()
        for call, answer in kept:
            step = known.steps.get(call.name)
            if step is not None and step.completed is None and step.asked_for(call.asked):
                journal.settle(journal.note(STEP_COMPLETED, call.name, answer.SerializeToString()))
            self.calls.written(call)
        return bool(kept)

    def held_journal(self) -> RunJournal:
        """The journal that the guest is executed on, which has been opened."""
        held = self.held or self.journal
        if held is None:
            raise Internal("SR-INT-004", f"the journal of run {self.run_id!r} was not opened")
        return held

    @property
    def header(self) -> RunRow:
        """The header as of the last append."""
        return self.held_journal().header

    def is_busy(self) -> bool:
        """Whether it is executed or has calls under way, or is still to be executed before the host stops."""
        is_given_up = self.queued is not None and self.queued.cancelled()
        return len(self.calls) > 0 or (self.place is not Place.PARKED and not is_given_up)

    def spent_ms(self) -> int:
        """The time that the run has used, executing and waiting."""
        return 0 if self.since_s is None else int((time.monotonic() - self.since_s) * 1000)
