"""Journals of runs: sealed events in a chain, and the authenticated header that names the chain's head.

Each event is sealed with the tag of its predecessor in its associated data, so an event that is changed, removed, moved
or repeated breaks the chain; the header, which carries a MAC, names the last index and tag. Removing the newest events
together with an older copy of the header cannot be noticed by the host alone.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from strongroom.crypto.srn1 import Place, key_version_of, tag_of
from strongroom.engine.encryptor import complete
from strongroom.engine.event_types import CREATED, FIELDS, STEP_COMPLETED, STEP_CREATED
from strongroom.engine.hook_rows import HookRows
from strongroom.engine.lifecycle import ANY_TIME_MS
from strongroom.engine.streams import Streams
from strongroom.engine.unreadable import Explainer, Fault, fault_of
from strongroom.errors import KeyMissing, NotFound, StorageFault, Tampered
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.run_keys import RunEncryptor, SealContext
from strongroom.storage import runs as rows
from strongroom.storage.database import Connection, Database
from strongroom.storage.runs import EventRow, RunRow

__all__ = ["CREATED", "STEP_COMPLETED", "STEP_CREATED", "Event", "JournalEvent", "Journals", "now_ms", "place_of"]

TABLE: Final = "runs"
PAGE: Final = 500
"""Events read at once; bounds the memory of reading a long journal."""


Event = tuple[str, str, bytes]
"""Type, correlation id and content of an event that is not sealed yet."""


@dataclass(frozen=True, slots=True)
class JournalEvent:
    """An event as stored. ``content`` is nothing when it does not open, and ``fault`` says why then."""

    row: EventRow
    key_version: int
    content: bytes | None = field(repr=False)
    fault: Fault | None = None


class Journals:
    """Creates, opens and reads journals."""

    def __init__(self, database: Database, run_keys: RunEncryptor, record_keys: RecordKeys) -> None:
        """Raises ``Misconfigured`` when ``run_keys`` lacks a part: no journal is ever written in the clear."""
        self.database = database
        self.run_keys = complete(run_keys)
        self.hook_rows = HookRows(record_keys)
        self.streams = Streams()
        self.stopped = False
        self._record_keys = record_keys

    def stop(self) -> None:
        """Let no run go on in its journal any more: how it fares from now on is the doing of this host, not its own.

        What was appended before is stored as ever.
        """
        self.stopped = True

    def check_stopped(self) -> None:
        """Raise ``StorageFault`` once no run may go on in its journal."""
        if self.stopped:
            raise StorageFault("SR-RUN-063", "this host stops", fix="nothing: its runs go on at the next start")

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
        """Up to ``limit`` events from index ``start``, fewer where they are large, but one if there is one.

        Each is checked against its predecessor; one that fails, or misses its predecessor, appears without content.
        """

        def query(connection: Connection) -> tuple[list[EventRow], list[EventRow]]:
            before = rows.events(connection, header.run_id, start=start - 1, limit=1) if start > 0 else []
            return before, rows.events(connection, header.run_id, start=start, limit=limit)

        before, found = self.database.read(query)
        previous = before[0] if before and before[0].index == start - 1 else None
        page = []
        for row in found:
            page.append(self._opened(row, previous))
            previous = row
        return page

    def read(self, header: RunRow) -> list[JournalEvent]:
        """The journal up to what ``header`` names as its last event, each authentic and none missing.

        Raises ``Tampered``, and ``NotFound`` when the run was deleted meanwhile. What was appended after the header was
        read is left out.
        """
        journal: list[JournalEvent] = []
        while len(journal) <= header.head_index:
            page = self.page(header, len(journal), min(PAGE, header.head_index + 1 - len(journal)))
            if not page or any(event.content is None for event in page):
                raise self.fault(header)
            journal += page
        if not self.is_head(header, tag_of(journal[-1].row.sealed)):
            raise self.fault(header)
        return journal

    def is_head(self, header: RunRow, tag: bytes) -> bool:
        """Whether the event ``header.head_index`` with this ``tag`` is the one that the header names.

        A run that has ended may have been sealed again since ``header`` was read: then the header of today counts.
        """
        if tag == header.head_tag:
            return True
        now = self.database.read(lambda connection: rows.get(connection, header.run_id))
        if now is None or (now.key_version, now.head_index) == (header.key_version, header.head_index):
            return False
        return (self.verified(now).head_index, now.head_tag) == (header.head_index, tag)

    def sealed(self, header: RunRow, event: Event, *, index: int, previous_tag: bytes) -> EventRow:
        """The row of ``event`` in the journal of ``header``, sealed at its place. Raises ``SealBudgetExceeded``."""
        event_type, correlation_id, content = event
        row = EventRow(
            run_id=header.run_id,
            index=index,
            event_type=str(event_type),
            correlation_id=correlation_id,
            created_at=now_ms(),
            sealed=b"",
        )
        context = SealContext(place_of(row, previous_tag), header.key_version)
        return replace(row, sealed=self.run_keys.encrypt(content, context))

    def count_sealed(self, header: RunRow, sealed_bytes: Sequence[int]) -> None:
        """Count values of these sizes, which an earlier process may have sealed, as what the run has sealed so far."""
        self.run_keys.sealed_before(header.run_id, sealed_bytes, key_version=header.key_version)

    def fault(self, header: RunRow) -> NotFound | Tampered:
        """Why the journal is not what ``header`` says: the run was deleted since that was read, or it was changed."""
        if self.database.read(lambda connection: rows.get(connection, header.run_id)) is None:
            return NotFound("SR-RUN-001", f"there is no run {header.run_id!r}", fix="it was deleted")
        return Tampered(f"journal of run {header.run_id}", run_id=header.run_id)

    def _opened(self, row: EventRow, previous: EventRow | None) -> JournalEvent:
        """``row`` with its content, if it follows ``previous`` and nothing was changed."""
        is_time = isinstance(row.created_at, int) and 0 <= row.created_at <= ANY_TIME_MS
        if not is_time or not isinstance(row.event_type, str) or not isinstance(row.correlation_id, str):
            # SQLite keeps a value of any type in any column, and no message takes these.
            shown = replace(row, created_at=0, event_type=str(row.event_type), correlation_id=str(row.correlation_id))
            return JournalEvent(shown, 0, None, Fault.TAMPERED)
        try:
            version = key_version_of(row.sealed)
            follows = row.index == (previous.index + 1 if previous else 0)
            if not follows or row.event_type not in FIELDS:
                return JournalEvent(row, version, None, Fault.TAMPERED)
        except Tampered as error:
            return JournalEvent(row, 0, None, fault_of(error, row.sealed))
        try:
            place = place_of(row, tag_of(previous.sealed) if previous else b"")
            return JournalEvent(row, version, self.run_keys.decrypt(row.sealed, SealContext(place)))
        except (Tampered, KeyMissing) as error:
            return JournalEvent(row, version, None, fault_of(error, row.sealed))

    def explainer(self) -> Explainer:
        """Explains faults, for one answer."""
        return Explainer(self.database, self.run_keys)


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def place_of(row: EventRow, previous_tag: bytes) -> Place:
    """Where the content of ``row`` is sealed: what opens there was written there."""
    return Place(
        run_id=row.run_id,
        event_type=row.event_type,
        correlation_id=row.correlation_id,
        field=FIELDS[row.event_type],
        index=row.index,
        final=False,
        previous_tag=previous_tag,
    )
