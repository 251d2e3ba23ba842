"""Appending to the journal of one run: by one object at a time, which whoever executes or stops the run holds.

Rule 1: nothing is appended after something that is lost. A writer that is done is closed before another one is opened.
Rule 2: what changes nothing for a run that is cut off now (``run_started``, times, log lines) waits for the next append
and shares its commit; ``settle_times`` is called before anything leaves that may depend on a time.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from strongroom.crypto.srn1 import tag_of
from strongroom.engine.appends import Also, WaitingEvents, bytes_of, is_stored, not_written, settle
from strongroom.engine.begun import store_begun
from strongroom.engine.event_types import (
    CREATED,
    HOOK_CREATED,
    HOOK_DISPOSED,
    HOOK_NEWS,
    MAY_WAIT,
    OF_THE_GUEST,
    TIME_READ,
)
from strongroom.engine.journal import Event, JournalEvent, Journals, now_ms
from strongroom.engine.lifecycle import ANY_TIME_MS, FINAL, RunEvent, RunState, step
from strongroom.errors import LimitExceeded, StorageFault, Unavailable
from strongroom.pb.strongroom.journal.v1.journal_pb2 import HookCreated
from strongroom.storage import runs as rows
from strongroom.storage.database import Connection
from strongroom.storage.hooks import HookRow
from strongroom.storage.runs import EventRow, RunRow

__all__ = ["JOURNAL_FULL", "RunJournal"]

JOURNAL_FULL: Final = "SR-RUN-061"
"""The code of the failure of a run whose guest had too much written."""


class RunJournal:
    """One run's journal, held for appending by whoever executes or stops the run.

    ``owed`` are events that were lost with a writer before; they go in front of whatever is appended first.
    ``bytes_max`` is set by whoever executes the run: what its guest makes it write beyond that is refused, and ``full``
    says so from then on.
    """

    bytes_max: int = 0

    def __init__(self, journals: Journals, header: RunRow, owed: Sequence[Event] = ()) -> None:
        self._journals = journals
        self._appending = threading.Lock()
        self._waiting: WaitingEvents | None = None
        self._last: Future[None] | None = None
        self._times: Future[None] | None = None
        self._owed = owed
        self._unsure: list[tuple[int, Event]] = []
        self._closed = False
        self._bytes = 0
        self._news = False
        self.has_hooks: bool | None = None
        self.full: LimitExceeded | None = None
        self.header = header

    def begin(
        self, content: bytes, spec_mac: bytes, more: Sequence[Event] = (), *, once: bool = False
    ) -> "Future[None]":
        """Store the header with its first events; the future resolves after the disk has all of them.

        It fails with ``WrongState`` when the record of the workflow has not ``spec_mac`` any more, with ``Conflict``
        when the run exists, or, with ``once``, when its event was handled by a run that is gone.
        """
        with self._appending:
            first = self._journals.sealed(self.header, (CREATED, "", content), index=0, previous_tag=b"")
            events = [first]
            for each in more:
                tag = tag_of(events[-1].sealed)
                events.append(self._journals.sealed(self.header, each, index=len(events), previous_tag=tag))
            self.header = self._journals.authenticated(
                replace(
                    self.header,
                    head_index=len(events) - 1,
                    head_tag=tag_of(events[-1].sealed),
                    input_bytes=len(first.sealed),
                )
            )
            header = self.header
            self._bytes = bytes_of(events)

            made = self._hooks_of(more)

            def job(connection: Connection) -> None:
                store_begun(connection, header, events, made, spec_mac=spec_mac, once=once)

            return self._journals.database.write(job)

    def move(self, event: RunEvent, content: bytes = b"", **changes: Any) -> "Future[None]":  # Any: header columns
        """Append an event that changes the run's state, with ``changes`` to its header. Raises ``WrongState``.

        ``run_started`` changes nothing for a run that is cut off, so nobody waits for it: it is stored with the event
        that follows, or after some milliseconds, and its future may be cancelled.
        """
        with self._appending:
            self._check_open()
            state = step(RunState(self.header.status), event)
            at = now_ms()
            if event == RunEvent.STARTED and self.header.started_at == 0:
                changes["started_at"] = at
            if state in FINAL:
                changes["finished_at"] = at
            may_wait = event == RunEvent.STARTED
            changes = {"wake_at": None, **changes}
            if event == RunEvent.STARTED:
                self._news = False
            elif self._news and changes["wake_at"] == ANY_TIME_MS:
                changes["wake_at"] = None
            also = self._dispose_all(at) if state in FINAL and self.has_hooks is not False else None
            return self._append(event, "", content, may_wait=may_wait, also=also, status=state.value, **changes)

    def note(
        self,
        kind: str,
        correlation_id: str,
        content: bytes,
        *,
        may_wait: bool = False,
        also: Also = None,
        **changes: Any,
    ) -> "Future[None]":  # Any: header columns
        """Append an event that leaves the state as it is; ``also`` writes more in its transaction.

        Raises ``WrongState`` once the run has ended, ``LimitExceeded`` (``JOURNAL_FULL``) for more than its guest may
        have written.
        """
        with self._appending:
            self._check_open()
            step(RunState(self.header.status), RunEvent.FAILED)
            if kind in OF_THE_GUEST:
                self._check_room(len(content))
            self.has_hooks = True if kind == HOOK_CREATED else self.has_hooks
            if kind in HOOK_NEWS:
                # A run that has it and was not told, since its host ended, is executed at the next start.
                self._news = True
                if self.header.wake_at == ANY_TIME_MS:
                    changes["wake_at"] = None
            return self._append(kind, correlation_id, content, may_wait=may_wait, also=also, **changes)

    def settle_times(self) -> None:
        """Wait until every time that was read is on disk. Raises ``StorageFault``."""
        while (stored := self._times) is not None:
            with suppress(Exception):
                stored.result()
            with self._appending:
                # Another append may have taken it along, whose future stands here by now unless it was refused.
                if self._times is stored:
                    self.settle(stored)
                    self._times = None

    def read_back(self) -> list[JournalEvent]:
        """Everything that was appended, from the disk. Nothing is appended meanwhile. Raises ``StorageFault``."""
        with self._appending:
            if self._last is not None:
                self.settle(self._last)
            journal = self._journals.read(self.header)
            sizes = [len(event.row.sealed) for event in journal]
            self._bytes = sum(sizes)
            self._journals.count_sealed(self.header, sizes)
            return journal

    def lost_after(self, head_index: int) -> list[Event]:
        """Times and log lines that were handed over and that a journal with this head does not have."""
        return [event for index, event in self._unsure if index > head_index] + list(self._owed)

    @property
    def closed(self) -> bool:
        """Whether it takes no more appends, since one was lost or whoever had it is done with it."""
        return self._closed

    def close(self) -> None:
        """Take no more appends: those under way succeed or fail, and whoever comes later finds a closed journal."""
        with self._appending:
            self._closed = True

    def close_if_at_rest(self) -> bool:
        """Close unless something is on its way to the disk, or the run has ended; whether it is closed now."""
        with self._appending:
            is_at_rest = self._last is None or (self._last.done() and not self._last.cancelled())
            self._closed = self._closed or (is_at_rest and self.header.status not in FINAL)
            return self._closed and is_at_rest

    def _check_open(self) -> None:
        self._journals.check_stopped()
        if self._closed:
            raise StorageFault(
                "SR-RUN-019", "the journal of a run was not written", why="an append before this one was lost"
            )

    def _check_room(self, size: int) -> None:
        size += self._bytes
        if size > self.bytes_max > 0:
            self.full = LimitExceeded(
                JOURNAL_FULL,
                f"the journal of the run would have {size} bytes, more than {self.bytes_max}",
                fix="ask for less, and be answered less, in one run, or raise limits.journal_bytes_max",
                size=size,
                limit=self.bytes_max,
                setting="limits.journal_bytes_max",
            )
            raise self.full

    def _hooks_of(self, events: Sequence[Event]) -> list[HookRow]:
        """Rows of the hooks that a run begins with."""
        tokens = {name: HookCreated.FromString(each).token for kind, name, each in events if kind == HOOK_CREATED}
        gone = {name for kind, name, _ in events if kind == HOOK_DISPOSED}
        self.has_hooks = bool(tokens)
        at, of = now_ms(), self._journals.hook_rows
        made = [of.made(name, self.header, token, at) for name, token in tokens.items()]
        return [of.disposed(row, at) if row.hook_id in gone else row for row in made]

    def _dispose_all(self, at: int) -> Callable[[Connection], None]:
        run_id, hook_rows = self.header.run_id, self._journals.hook_rows
        return lambda connection: hook_rows.dispose_all(connection, run_id, at)

    def _append(
        self,
        event_type: str,
        correlation_id: str,
        content: bytes,
        *,
        may_wait: bool = False,
        also: Also = None,
        **changes: Any,
    ) -> "Future[None]":
        before = self.header
        if self._last is not None and self._last.done():
            self._closed = self._closed or not is_stored(self._last)
            self._check_open()
            self._unsure.clear()
        added: list[EventRow] = []
        index, tag = before.head_index, before.head_tag
        for event in (*self._owed, (event_type, correlation_id, content)):
            index += 1
            added.append(self._journals.sealed(before, event, index=index, previous_tag=tag))
            tag = tag_of(added[-1].sealed)
            if event[0] in MAY_WAIT:
                self._unsure.append((index, event))
        self._owed = ()
        row = added[-1]
        if "finished_at" in changes:
            changes["output_bytes"] = len(row.sealed)
        header = replace(before, head_index=row.index, head_tag=tag_of(row.sealed), **changes)
        if not may_wait:
            header = self._journals.authenticated(header)
        events, after, has_times = added, before, event_type == TIME_READ
        waiting, self._waiting = self._waiting, None
        if waiting is not None and waiting.stored.cancel():
            # It has not begun, so its events go with this one: one header, one commit.
            events, after = [*waiting.events, *added], waiting.after
            has_times = has_times or waiting.has_times

        def job(connection: Connection) -> None:
            # A header that waits is most often overtaken by the next, so it gets its MAC only when it is stored.
            authentic = self._journals.authenticated(header) if may_wait else header
            # The old head in the condition keeps a chain whose last append failed from growing past the gap.
            rows.replace(connection, authentic, after=after)
            for event in events:
                rows.append(connection, event)
            if also is not None:
                also(connection)

        try:
            stored = self._journals.database.write(job, may_wait=may_wait)
        except Unavailable as error:
            # What waited was taken back for this append, so it is lost as well.
            self._closed = self._closed or len(events) > 1
            if not self._closed and event_type in MAY_WAIT:
                self._unsure.pop()
            raise not_written(error) from error
        stored.add_done_callback(self._resolved)
        self.header, self._last = header, stored
        self._bytes += bytes_of(added)
        if has_times:
            self._times = stored
        if may_wait:
            self._waiting = WaitingEvents(stored, events, after, has_times)
        return stored

    def _resolved(self, stored: "Future[None]") -> None:
        """An append succeeded, failed, or was taken along by the next. One that nobody waits for may fail unheard."""
        if not stored.cancelled() and stored.exception() is not None:
            self._closed = True
        self._journals.streams.ring(self.header.run_id)

    @staticmethod
    def settle(stored: "Future[None]") -> None:
        """Wait until ``stored`` is on disk. Raises ``StorageFault``, whatever kept it from getting there."""
        settle(stored)
