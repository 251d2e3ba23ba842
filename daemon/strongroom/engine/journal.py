"""The journal of a run: sealed events in a chain, and the authenticated header that names the chain's head.

Each event is sealed with the tag of its predecessor in its associated data, so an event that is changed, removed, moved
or repeated breaks the chain; the header, which carries a MAC, names the last index and tag. Removing the newest events
together with an older copy of the header cannot be noticed by the host alone.
"""

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Final

from strongroom.crypto.srn1 import Place, key_version_of, tag_of
from strongroom.engine.lifecycle import FINAL, RunEvent, RunState, step
from strongroom.engine.streams import Streams
from strongroom.errors import (
    Conflict,
    KeyMissing,
    NotFound,
    StorageFault,
    StrongroomError,
    Tampered,
    Unavailable,
    WrongState,
)
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.run_keys import RunKeys
from strongroom.storage import runs as rows
from strongroom.storage import specs
from strongroom.storage.database import Connection, Database
from strongroom.storage.runs import EventRow, RunRow

__all__ = ["CREATED", "STEP_COMPLETED", "STEP_CREATED", "JournalEvent", "Journals", "RunJournal", "now_ms"]

TABLE: Final = "runs"
CREATED: Final = "run_created"
STEP_CREATED: Final = "step_created"
STEP_COMPLETED: Final = "step_completed"
FIELDS: Final = {
    CREATED: "input",
    RunEvent.STARTED: "",
    RunEvent.COMPLETED: "output",
    RunEvent.FAILED: "error",
    RunEvent.CANCELLED: "error",
    RunEvent.TIMED_OUT: "error",
    STEP_CREATED: "input",
    STEP_COMPLETED: "result",
}
"""Which field the sealed content of an event is; part of its associated data."""
PAGE: Final = 500
"""Events read at once; bounds the memory of reading a long journal."""


@dataclass(frozen=True, slots=True)
class JournalEvent:
    """An event as stored. ``content`` is nothing when it failed authentication."""

    row: EventRow
    key_version: int
    content: bytes | None


class Journals:
    """Creates, opens and reads journals."""

    def __init__(self, database: Database, run_keys: RunKeys, record_keys: RecordKeys) -> None:
        self.database = database
        self.run_keys = run_keys
        self.streams = Streams()
        self._record_keys = record_keys

    def get(self, run_id: str) -> RunRow | None:
        """The header of a run, by run id or execution id. Raises ``Tampered``."""
        by = rows.get if run_id.startswith("wrun_") else rows.get_by_execution
        row = self.database.read(lambda connection: by(connection, run_id))
        return self.verified(row) if row else None

    def get_by_event(self, workflow_id: str, trigger_index: int, event_id: str) -> RunRow | None:
        """The header of the run that this event started. Raises ``Tampered``."""
        row = self.database.read(lambda c: rows.get_by_event(c, workflow_id, trigger_index, event_id))
        return self.verified(row) if row else None

    def verified(self, row: RunRow) -> RunRow:
        """``row`` when its MAC is right. Raises ``Tampered``."""
        self._record_keys.check(TABLE, row.columns(), key_version=row.key_version, mac=row.mac)
        return row

    def authenticated(self, row: RunRow) -> RunRow:
        """``row`` with the MAC of its columns."""
        return replace(row, mac=self._record_keys.mac(TABLE, row.columns(), key_version=row.key_version))

    def page(self, header: RunRow, start: int, limit: int) -> list[JournalEvent]:
        """Up to ``limit`` events from index ``start``. Each is checked against its predecessor; one that fails, and
        the place where events are missing at the end, appear without content."""
        first = max(start - 1, 0)
        found = self.database.read(lambda c: rows.events(c, header.run_id, start=first, limit=limit + start - first))
        previous = found[0] if start > 0 and found and found[0].index == start - 1 else None
        page = []
        for row in found[1:] if previous else found:
            page.append(self._opened(row, previous))
            previous = row
        return page

    def read(self, header: RunRow) -> list[JournalEvent]:
        """The whole journal, each event authentic and none missing. Raises ``Tampered``."""
        journal: list[JournalEvent] = []
        while len(journal) <= header.head_index:
            page = self.page(header, len(journal), PAGE)
            if not page or any(event.content is None for event in page):
                raise Tampered(f"journal of run {header.run_id}", run_id=header.run_id)
            journal += page
        head = journal[-1].row
        if len(journal) != header.head_index + 1 or tag_of(head.sealed) != header.head_tag:
            raise Tampered(f"journal of run {header.run_id}", run_id=header.run_id)
        return journal

    def _opened(self, row: EventRow, previous: EventRow | None) -> JournalEvent:
        """``row`` with its content, if it follows ``previous`` and nothing was changed."""
        version = key_version_of(row.sealed) if len(row.sealed) >= 8 else 0
        follows = row.index == (previous.index + 1 if previous else 0)
        if not follows or row.event_type not in FIELDS:
            return JournalEvent(row, version, None)
        try:
            place = _place(row, tag_of(previous.sealed) if previous else b"")
            return JournalEvent(row, version, self.run_keys.open(place, row.sealed))
        except (Tampered, KeyMissing):
            return JournalEvent(row, version, None)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Events that the database holds back until others come; ``after`` is the header that is stored before them."""

    stored: "Future[None]"
    events: list[EventRow]
    after: RunRow


class RunJournal:
    """One run's journal, held for appending by whoever executes the run."""

    def __init__(self, journals: Journals, header: RunRow) -> None:
        self._journals = journals
        self._appending = threading.Lock()
        self._waiting: _Waiting | None = None
        self.header = header

    def begin(self, content: bytes, spec_mac: bytes) -> "Future[None]":
        """Store the header with its first event; the future resolves after the disk has both.

        It fails with ``WrongState`` when the workflow's record is not the one with ``spec_mac`` any more, and with
        ``Conflict`` when the run exists.
        """
        with self._appending:
            row = self._sealed(CREATED, "", content, index=0, previous_tag=b"")
            self.header = self._journals.authenticated(
                replace(self.header, head_index=0, head_tag=tag_of(row.sealed), input_bytes=len(row.sealed))
            )
            header = self.header

            def job(connection: Connection) -> None:
                # In one transaction with the insert: a workflow that is deleted or paused meanwhile gets no more runs.
                if specs.get_mac(connection, header.workflow_id) != spec_mac:
                    raise WrongState(
                        "SR-RUN-021",
                        f"workflow {header.workflow_id} was changed while this run was being accepted",
                        fix="start the run again if it is still wanted",
                        workflow_id=header.workflow_id,
                    )
                rows.insert(connection, header)
                rows.append(connection, row)

            return self._journals.database.write(job)

    def move(self, event: RunEvent, content: bytes = b"", **changes: Any) -> "Future[None]":
        """Append an event that changes the run's state, with ``changes`` to its header. Raises ``WrongState``.

        ``run_started`` changes nothing for a run that is cut off, so nobody waits for it: it is stored with the event
        that follows, or after some milliseconds, and its future may be cancelled.
        """
        with self._appending:
            state = step(RunState(self.header.status), event)
            at = now_ms()
            if event == RunEvent.STARTED:
                changes["started_at"] = at
            if state in FINAL:
                changes["finished_at"] = at
            may_wait = event == RunEvent.STARTED
            return self._append(event, "", content, may_wait=may_wait, status=state.value, **changes)

    def note(self, event_type: str, correlation_id: str, content: bytes) -> "Future[None]":
        """Append an event of a step. Raises ``WrongState`` once the run has ended."""
        with self._appending:
            step(RunState(self.header.status), RunEvent.FAILED)
            return self._append(event_type, correlation_id, content)

    def _append(
        self, event_type: str, correlation_id: str, content: bytes, *, may_wait: bool = False, **changes: Any
    ) -> "Future[None]":
        before = self.header
        row = self._sealed(
            event_type, correlation_id, content, index=before.head_index + 1, previous_tag=before.head_tag
        )
        if "finished_at" in changes:
            changes["output_bytes"] = len(row.sealed)
        header = replace(before, head_index=row.index, head_tag=tag_of(row.sealed), **changes)
        if not may_wait:
            header = self._journals.authenticated(header)
        events, after = [row], before
        waiting, self._waiting = self._waiting, None
        if waiting is not None and waiting.stored.cancel():
            # It has not begun, so its events go with this one: one header, one commit.
            events, after = [*waiting.events, row], waiting.after

        def job(connection: Connection) -> None:
            # A header that waits is most often overtaken by the next, so it gets its MAC only when it is stored.
            authentic = self._journals.authenticated(header) if may_wait else header
            # The old head in the condition keeps a chain whose last append failed from growing past the gap.
            rows.replace(connection, authentic, expected_head=after.head_index)
            for event in events:
                rows.append(connection, event)

        try:
            stored = self._journals.database.write(job, may_wait=may_wait)
        except Unavailable as error:
            raise _not_written(error) from error
        stored.add_done_callback(lambda _stored: self._journals.streams.ring(header.run_id))
        self.header = header
        if may_wait:
            self._waiting = _Waiting(stored, events, after)
        return stored

    @staticmethod
    def settle(stored: "Future[None]") -> None:
        """Wait until ``stored`` is on disk. Raises ``StorageFault``, whatever kept it from getting there."""
        try:
            stored.result()
        except (Unavailable, Conflict, NotFound) as error:
            raise _not_written(error) from error

    def _sealed(
        self, event_type: str, correlation_id: str, content: bytes, *, index: int, previous_tag: bytes
    ) -> EventRow:
        row = EventRow(
            run_id=self.header.run_id,
            index=index,
            event_type=str(event_type),
            correlation_id=correlation_id,
            created_at=now_ms(),
            sealed=b"",
        )
        sealed = self._journals.run_keys.seal(_place(row, previous_tag), content, key_version=self.header.key_version)
        return replace(row, sealed=sealed)


def _not_written(error: StrongroomError) -> StorageFault:
    return StorageFault(
        "SR-RUN-019", "the journal of a run was not written", why=str(error), fix="it is tried again by itself"
    )


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def _place(row: EventRow, previous_tag: bytes) -> Place:
    return Place(
        run_id=row.run_id,
        event_type=row.event_type,
        correlation_id=row.correlation_id,
        field=FIELDS[row.event_type],
        index=row.index,
        final=False,
        previous_tag=previous_tag,
    )
