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
Rule 7: who waits for a payload of a hook does so for as long as its guest lives. Then its step is put off: it is not
under way any more, and the guest that is run again asks anew.
"""

import threading
from collections.abc import Callable, Collection, Container, Iterable

from strongroom.engine.call import Call, GuestDropped, Later, dropped, stopped
from strongroom.errors import StrongroomError
from strongroom.pb.strongroom.journal.v1 import journal_pb2

__all__ = ["Call", "Calls", "GuestDropped", "Later", "stopped"]


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
        self._put_off: dict[str, Later] = {}
        self._expected: set[str] = set()
        self._come: dict[str, int] = {}
        self.news = 0
        """Counts what came to hooks of the run; whoever waits for a payload looks again when it is another one."""
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
            # One that waits for a payload on behalf of a guest that is gone is about to be put off.
            if known is not None and (known.later is None or known.round == self._round):
                return known, False
            if self._closed:
                raise stopped()
            if number != self._round and name in self._answered:
                raise dropped()
            call = Call(name, asked, number)
            self._open[name] = call
            self._put_off.pop(name, None)
            return call, True

    def joined(self, call: Call, number: int) -> journal_pb2.StepCompleted | None:
        """The answer of a call that somebody else makes, waited for by guest ``number`` until it is dropped; nothing
        when that one put it off.

        Raises what kept the answer from getting into the journal, and ``GuestDropped``.
        """
        with self._changed:
            self._changed.wait_for(lambda: call.done or self._closed or number != self._round)
            if not call.done:
                raise dropped()
        return None if isinstance(call.error, GuestDropped) else call.result()

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

    def wait(self, call: Call, later: Later, news: int, number: int) -> None:
        """Return when something came to a hook since there were ``news``.

        Raises ``GuestDropped`` once guest ``number`` is gone.
        """
        with self._changed:
            call.later = later
            self._changed.wait_for(lambda: self.news != news or self._closed or number != self._round)
            if self._closed or number != self._round:
                raise dropped()
            call.later = None

    def put_off(self, call: Call) -> None:
        """The call has no answer, and nobody makes it any more until the guest is run again."""
        with self._changed:
            if self._open.get(call.name) is call:
                del self._open[call.name]
                if call.later is not None:
                    self._put_off[call.name] = call.later
            call.error, call.done = dropped(), True
            self._changed.notify_all()
            told = self._told
        if told is not None:
            told()

    def announce(self, hook_id: str, number: int) -> None:
        """A hook has its payloads up to ``number``. They are on the disk."""
        with self._changed:
            self._come[hook_id] = max(number, self._come.get(hook_id, 0))
            self.news += 1
            self._changed.notify_all()
            told = self._told
        if told is not None:
            told()

    def expect(self, name: str) -> None:
        """The guest is about to make a step that may wait for a payload."""
        with self._changed:
            self._expected.add(name)

    def laters(self, names: Collection[str], timeout_s: float) -> dict[str, Later]:
        """Which of the steps ``names`` wait for payloads, once it is known of each, or after ``timeout_s``.

        The guest was dropped, so none of them waits for long.
        """
        with self._changed:
            unsettled = self._expected.intersection(names)
            self._changed.wait_for(lambda: all(n in self._put_off or n in self._left for n in unsettled), timeout_s)
            return {name: self._put_off[name] for name in names if name in self._put_off}

    def have_come(self, laters: Iterable[Later]) -> bool:
        """Whether every one of these payloads was announced."""
        with self._changed:
            return all(self._has_come(later) for later in laters)

    @property
    def taken(self) -> int:
        """Places that the guest's calls take: those under way, and those that wait for payloads that are not here."""
        with self._changed:
            return len(self._open) + sum(not self._has_come(later) for later in self._put_off.values())

    def _is_awaited_there(self, name: str) -> bool:
        later = self._put_off.get(name)
        return later is not None and self._has_come(later)

    def _has_come(self, later: Later) -> bool:
        return self._come.get(later.hook_id, 0) >= later.number

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
            self._put_off.clear()
            self._expected.clear()
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
        """Whether every one of ``names`` was answered, or failed, since the journal was last read; or waits for a
        payload that has come."""
        with self._changed:
            return all(name in self._left or self._is_awaited_there(name) for name in names)

    def is_known(self, name: str) -> bool:
        """Whether a step was entered since the journal was last read."""
        with self._changed:
            return name in self._open or name in self._left or name in self._put_off

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
