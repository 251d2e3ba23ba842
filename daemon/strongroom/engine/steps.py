"""Steps of one execution: each answer is in the journal before the guest sees it, and a recorded one is given again.

Rule 1: what a step sends out does not leave before everything on disk that its request may depend on: earlier answers
are there when the guest gets them, times are waited for here.
Rule 2: a step that the journal knows must ask for the same as before; a guest that does otherwise is stopped.
Rule 3: after a wish to stop nothing leaves any more.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from strongroom.engine.calls import Call, Calls, GuestDropped, Later, stopped
from strongroom.engine.cancel_signal import CancelSignal
from strongroom.engine.event_types import STEP_COMPLETED, STEP_CREATED, TIME_READ
from strongroom.engine.recorded import Recorded
from strongroom.engine.run_journal import RunJournal
from strongroom.errors import GuestFault, LimitExceeded, NondeterministicGuest, StorageFault, StrongroomError
from strongroom.pb.strongroom.journal.v1 import journal_pb2

__all__ = ["Send", "Steps"]

Send = Callable[[bool], journal_pb2.StepCompleted | Later]
"""Makes the call of a step; told whether it was sent before and its answer is lost, or was not there yet."""


@dataclass(kw_only=True, eq=False)
class Steps:
    """The journalled side of one execution of a guest; its phases share it. Any thread may come with a step."""

    journal: RunJournal
    recorded: Recorded
    calls: Calls
    cancel: CancelSignal
    steps_max: int
    time_reads_max: int
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _begun: set[str] = field(default_factory=set)
    _answered_unix_ns: dict[str, int] = field(default_factory=dict)
    _times_read: dict[str, int] = field(default_factory=dict)
    _latest_unix_ns: int = -1
    _round: int = field(init=False)

    def __post_init__(self) -> None:
        self._round = self.calls.round

    def answer(
        self, name: str, asked: bytes, created: journal_pb2.StepCreated, *, once: bool, send: Send
    ) -> journal_pb2.StepCompleted:
        """The answer of step ``name``: the recorded one, or a fresh one that is on disk when this returns.

        ``asked`` is the request, ``created`` what the journal is to say of it. ``once``: it must not be sent again when
        its answer was lost. Raises ``NondeterministicGuest`` for a step that was another one before, ``LimitExceeded``
        for one too many, ``StorageFault`` when the journal takes nothing.
        """
        known = self.recorded.steps.get(name)
        if known is not None:
            _check_same(name, known.asked_for(asked))
            if known.completed is not None:
                return self._noted(name, known.completed)
        was_sent = known is not None
        while True:
            call, is_mine = self.calls.enter(name, asked, self._round)
            if is_mine:
                return self._noted(name, self._made(call, created, was_sent=was_sent, once=once, send=send))
            # Sent for the guest that was dropped; nobody sends it twice.
            _check_same(name, call.asked == asked)
            if (answer := self.calls.joined(call, self._round)) is not None:
                return self._noted(name, answer)
            was_sent = True

    def _made(
        self, call: Call, created: journal_pb2.StepCreated, *, was_sent: bool, once: bool, send: Send
    ) -> journal_pb2.StepCompleted:
        completed: journal_pb2.StepCompleted | None = None
        try:
            begun = None if was_sent else self._begin(call.name, created, once=once)
            completed = self._sent(call, begun, send)
            completed.answered_unix_ns = self.now_unix_ns()
            self.journal.settle(self.journal.note(STEP_COMPLETED, call.name, completed.SerializeToString()))
        except GuestDropped:
            self.calls.put_off(call)
            raise
        except StrongroomError as error:
            self.calls.leave(call, None, error, unwritten=completed if isinstance(error, StorageFault) else None)
            raise
        except BaseException:
            self.calls.leave(call, None)
            raise
        self.calls.leave(call, completed)
        return completed

    def _sent(self, call: Call, begun: "Future[None] | None", send: Send) -> journal_pb2.StepCompleted:
        """The answer. One that comes later is waited for, as long as the guest lives: then ``GuestDropped``.

        ``begun`` is the step on its way to the disk, nothing for one that the journal had before.
        """
        was_sent = begun is None
        while True:
            news = self.calls.news
            if self.cancel.reason is not None:
                raise stopped()
            with call.hang_up.during():
                answered = send(was_sent)
            if not isinstance(answered, Later):
                return answered
            if begun is not None:
                # A run that waits has nothing on its way to the disk.
                self.journal.settle(begun)
            self.calls.wait(call, answered, news, self._round)
            was_sent = True

    def _begin(self, name: str, created: journal_pb2.StepCreated, *, once: bool) -> "Future[None]":
        with self._lock:
            if name in self._begun:
                raise GuestFault(
                    "SR-GUEST-033",
                    f"step {name} was made already in this execution",
                    why="duplicate callback id not allowed",
                    fix="give every call of a run a callback id of its own",
                    step=name,
                )
            count = len(self.recorded.steps) + len(self._begun)
            if count >= self.steps_max:
                raise LimitExceeded(
                    "SR-RUN-026",
                    f"the run has made {count} steps, as many as a run may",
                    fix="do less in one run, or raise limits.steps_max",
                    limit=self.steps_max,
                    setting="limits.steps_max",
                )
            if self.cancel.reason is not None:
                raise stopped()
            self._begun.add(name)
        stored = self.journal.note(STEP_CREATED, name, created.SerializeToString())
        if once:
            # Only what the disk knows to be sent can be kept from being sent again.
            self.journal.settle(stored)
        self.journal.settle_times()
        return stored

    def _noted(self, name: str, completed: journal_pb2.StepCompleted) -> journal_pb2.StepCompleted:
        self._answered_unix_ns[name] = completed.answered_unix_ns
        return completed

    def answered_unix_ns(self, name: str) -> int:
        """When step ``name`` was answered, Unix nanoseconds; 0 when it was not, or in a journal from before."""
        return self._answered_unix_ns.get(name, 0)

    def read_time(self, phase: str) -> int | None:
        """The next answer to the question for the agreed time, Unix nanoseconds; nothing when there were too many.

        It is on disk before anything leaves that may depend on it. One that is recorded is given whatever the limit is.
        """
        number = self._times_read.get(phase, 0)
        before = self.recorded.times.get(phase, ())
        if number >= max(self.time_reads_max, len(before)):
            return None
        self._times_read[phase] = number + 1
        if number < len(before):
            return before[number]
        moment = self.now_unix_ns()
        content = journal_pb2.TimeRead(unix_ns=moment).SerializeToString()
        self.journal.note(TIME_READ, f"{phase}t{number}", content, may_wait=True)
        return moment

    def now_unix_ns(self) -> int:
        """The clock of this host, which for one run never goes back, Unix nanoseconds."""
        with self._lock:
            if self._latest_unix_ns < 0:
                self._latest_unix_ns = self.recorded.latest_unix_ns
            self._latest_unix_ns = max(self._latest_unix_ns, time.time_ns())
            return self._latest_unix_ns


def _check_same(name: str, is_same: bool) -> None:
    if not is_same:
        raise NondeterministicGuest(
            "SR-GUEST-030",
            f"the guest is not deterministic: step {name} asked for something else before",
            fix="a guest may depend on its config, payload, seed, time and answers only",
            step=name,
        )
