"""The calls of one run that are under way, whoever executes its guest now.

A guest that was dropped while it waited leaves its calls behind: they go on on their threads, and the guest that is run
again to where it was finds them here instead of sending them a second time.

Rule 1: a step is entered once and left once; whoever asks for it meanwhile waits for the one that entered it, for as
long as its guest lives: otherwise each guest would leave a waiting thread for each call behind.
Rule 2: an answer that came after the guest was dropped is kept until the journal is read again.
Rule 3: an answer that could not be journalled is kept as well, and journalled once the journal is open again.
Rule 4: once closed, nothing is entered any more.
Rule 5: what nobody will ask for any more, because the run has ended, is hung up.
Rule 6: a thread of a guest that was dropped makes no call that has been answered since.
"""

import threading
from collections.abc import Callable, Container, Iterable

from strongroom.errors import Cancelled, StrongroomError
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.plugin.hang_up import HangUp

__all__ = ["Call", "Calls", "GuestDropped", "stopped"]


class GuestDropped(Cancelled):
    """The guest that asks is gone, and so is whoever would hear of the answer."""


class Call:
    """One step under way. ``done`` once it is answered or failed."""

    __slots__ = ("answer", "asked", "done", "error", "hang_up", "name", "round", "unwritten")

    def __init__(self, name: str, asked: bytes, number: int) -> None:
        self.name = name
        self.asked = asked
        self.round = number
        self.done = False
        self.answer: journal_pb2.StepCompleted | None = None
        self.unwritten: journal_pb2.StepCompleted | None = None
        self.error: StrongroomError | None = None
        self.hang_up = HangUp()

    def result(self) -> journal_pb2.StepCompleted:
        """The answer of a call that is done. Raises what kept it from getting into the journal."""
        if self.answer is None:
            raise self.error or stopped()
        return self.answer


class Calls:
    """The calls of one run."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._open: dict[str, Call] = {}
        self._late: dict[str, Call] = {}
        self._kept: dict[str, Call] = {}
        self._oldest = 0
        self._left: set[str] = set()
        self._answered: set[str] = set()
        self._round = 0
        self._closed = False
        self._told: Callable[[], None] | None = None

    @property
    def round(self) -> int:
        """The number of the guest that is executed now; each hands it in with what it asks for."""
        return self._round

    def enter(self, name: str, asked: bytes, number: int) -> tuple[Call, bool]:
        """The call of a step that guest ``number`` asks for, and whether the caller is the one who makes it.

        It may come after that guest was dropped, from a thread that was busy. Raises ``Cancelled`` once closed, for a
        guest from before the journal was lost, and for one that was dropped when its step has been answered since.
        """
        with self._changed:
            if number < self._oldest:
                raise stopped()
            known = self._open.get(name) or self._late.get(name) or self._kept.get(name)
            if known is not None:
                return known, False
            if self._closed:
                raise stopped()
            if number != self._round and name in self._answered:
                raise _dropped()
            call = Call(name, asked, number)
            self._open[name] = call
            return call, True

    def joined(self, call: Call, number: int) -> journal_pb2.StepCompleted:
        """The answer of a call that somebody else makes, waited for by guest ``number`` until it is dropped.

        Raises what kept the answer from getting into the journal, and ``GuestDropped``.
        """
        with self._changed:
            self._changed.wait_for(lambda: call.done or self._closed or number != self._round)
            if not call.done:
                raise _dropped()
        return call.result()

    def leave(
        self,
        call: Call,
        answer: journal_pb2.StepCompleted | None,
        error: StrongroomError | None = None,
        *,
        unwritten: journal_pb2.StepCompleted | None = None,
    ) -> None:
        """The call has its answer in the journal, or failed, or has an answer that the journal did not take."""
        with self._changed:
            call.answer, call.error, call.unwritten = answer, error, unwritten
            if self._open.get(call.name) is call:
                del self._open[call.name]
            self._left.add(call.name)
            if answer is not None:
                self._answered.add(call.name)
            if unwritten is not None:
                self._kept[call.name] = call
            if call.round != self._round and answer is not None:
                self._late[call.name] = call
            call.done = True
            self._changed.notify_all()
            told = self._told
        if told is not None:
            told()

    def drop_guest(self) -> None:
        """The guest is gone; answers that come from now on are kept for the next one."""
        with self._changed:
            self._round += 1
            self._changed.notify_all()

    def begin_again(self) -> None:
        """The journal is about to be read, with every answer that was kept."""
        with self._changed:
            self._late.clear()
            self._left.clear()
            self._told = None

    def begin_anew(self) -> None:
        """The journal was lost, and the guest with it: its calls go on, and it enters no more."""
        with self._changed:
            self._round += 1
            self._oldest = self._round
            self._closed = False
            self._told = None
            self._changed.notify_all()

    def kept(self) -> list[tuple[Call, journal_pb2.StepCompleted]]:
        """Answers that the journal did not take, with their calls."""
        with self._changed:
            return [(call, call.unwritten) for call in self._kept.values() if call.unwritten is not None]

    def written(self, call: Call) -> None:
        """The journal has the answer of a call that was kept, or has no place for it."""
        with self._changed:
            if self._kept.get(call.name) is call:
                del self._kept[call.name]
                self._answered.add(call.name)

    def keep_only(self, names: Container[str]) -> None:
        """Of the calls of guests from before the journal was lost only those of ``names`` are known any more."""
        with self._changed:
            for name in [n for n, c in self._open.items() if c.round < self._oldest and n not in names]:
                del self._open[name]

    def tell(self, told: Callable[[], None]) -> None:
        """Call ``told`` after every answer, from the thread that brings it, until the guest is run again."""
        with self._changed:
            self._told = told

    def have_left(self, names: Iterable[str]) -> bool:
        """Whether every one of ``names`` was answered, or failed, since the journal was last read."""
        with self._changed:
            return all(name in self._left for name in names)

    def is_known(self, name: str) -> bool:
        """Whether a step was entered since the journal was last read."""
        with self._changed:
            return name in self._open or name in self._left

    def __len__(self) -> int:
        """Calls under way."""
        return len(self._open)

    @property
    def is_idle(self) -> bool:
        """Whether no call is under way, and no answer waits for the journal."""
        return not self._open and not self._kept

    def close_if_idle(self) -> bool:
        """Close unless a call is under way or an answer waits for the journal; whether it is closed now."""
        with self._changed:
            self._closed = self._closed or self.is_idle
            return self._closed

    def close(self) -> None:
        """Enter nothing any more, and hang up what is under way: the run has ended, and nobody will ask for it."""
        with self._changed:
            self._closed = True
            self._told = None
            under_way = list(self._open.values())
            self._changed.notify_all()
        for call in under_way:
            call.hang_up.set()

    def wait_idle(self, timeout_s: float) -> bool:
        """Enter nothing any more, and wait until no call is under way; whether that came in time."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._open, timeout_s)


def stopped() -> Cancelled:
    """What a guest gets that wants to send something although its run is being stopped, or goes on elsewhere."""
    return Cancelled("SR-RUN-028", "the run is being stopped")


def _dropped() -> GuestDropped:
    # The guest hears of nothing any more, so this is read by nobody.
    return GuestDropped("SR-RUN-028", "the run is being stopped")
