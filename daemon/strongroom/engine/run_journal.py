"""Appending to the journal of one run, by whoever holds the run, and by nobody else."""

import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from strongroom.crypto.srn1 import tag_of
from strongroom.engine.event_types import CREATED
from strongroom.engine.journal import Journals, now_ms, place_of
from strongroom.engine.lifecycle import FINAL, RunEvent, RunState, step
from strongroom.errors import Conflict, NotFound, StorageFault, StrongroomError, Unavailable, WrongState
from strongroom.storage import runs as rows
from strongroom.storage import specs
from strongroom.storage.database import Connection
from strongroom.storage.runs import EventRow, RunRow

__all__ = ["RunJournal"]


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
        sealed = self._journals.run_keys.seal(place_of(row, previous_tag), content, key_version=self.header.key_version)
        return replace(row, sealed=sealed)


def _not_written(error: StrongroomError) -> StorageFault:
    return StorageFault(
        "SR-RUN-019", "the journal of a run was not written", why=str(error), fix="it is tried again by itself"
    )
