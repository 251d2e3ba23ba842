"""Looking at runs: headers and journals, with what failed authentication marked and never trusted."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final

from strongroom.crypto.key_material import KeyMaterial
from strongroom.crypto.srn1 import tag_of
from strongroom.engine.journal import STEP_CREATED, JournalEvent, Journals, now_ms
from strongroom.engine.lifecycle import FINAL
from strongroom.engine.runids import PREFIX, made_at_ms
from strongroom.engine.stream_reader import StreamReader
from strongroom.engine.streams import Watch
from strongroom.engine.unreadable import Explainer, Fault, Unreadable, fault_of
from strongroom.errors import KeyMissing, NotFound, Tampered
from strongroom.storage import journal
from strongroom.storage import runs as rows
from strongroom.storage.runs import RunRow

__all__ = ["History", "no_run"]

STREAM_EVENTS: Final = 16
"""Events of a stream in memory at once: there are many streams."""
HOUR_MS: Final = 3_600_000
ELSEWHERE_EVENTS_MIN: Final = 3
"""One changed event may keep its successor from opening, so two that do not open say nothing of the rest."""


def no_run(run_id: str) -> NotFound:
    """A run that is not there, or not for whoever asks."""
    return NotFound("SR-RUN-001", f"there is no run {run_id[:80]!r}", fix="list runs: strongroom run list")


def _expired(run_id: str, kept_hours: int | None) -> NotFound | None:
    """That a run which is not there may have been, by the time in its id; nothing where it would still be kept."""
    made_ms = made_at_ms(run_id)
    if kept_hours is None or made_ms is None or made_ms >= now_ms() - kept_hours * HOUR_MS:
        return None
    return NotFound(
        "SR-VIEW-005",
        f"run {run_id} has expired",
        why=f"its id is older than the {kept_hours} hours for which runs are kept after their end",
        fix="look for an export of it; limits.run_retention_hours says how long runs are kept",
        run_id=run_id,
        kept_hours=kept_hours,
    )


class History:
    """Reads runs."""

    def __init__(self, journals: Journals, *, kept_hours: int | None = None) -> None:
        """``kept_hours``: how long runs are kept after their end, where that is known."""
        self._journals = journals
        self.kept_hours = kept_hours
        self.streams = StreamReader(journals)
        """Their named streams."""

    def page(
        self,
        *,
        workflow_id: str,
        owners: Collection[str] | None,
        statuses: Sequence[str],
        before: tuple[int, str] | None,
        limit: int,
        workflow_name: str = "",
    ) -> list[tuple[RunRow, bool]]:
        """Up to ``limit`` headers, newest first, each with whether it is authentic. What is empty does not filter,
        and ``owners`` does not where they are none at all."""
        found = self._journals.database.read(
            lambda connection: rows.page(
                connection,
                workflow_id=workflow_id or None,
                workflow_name=workflow_name or None,
                owners=owners,
                statuses=statuses,
                before=before,
                limit=limit,
            )
        )
        return [(row, self._authentic(row)) for row in found]

    def header(self, run_id: str) -> RunRow:
        """The header of a run, by run id or execution id. Raises ``NotFound`` or ``Tampered``."""
        try:
            header = self._journals.get(run_id)
        except (Tampered, KeyMissing) as error:
            raise self._header_fault(run_id, error) from error
        if header is None:
            raise _expired(run_id, self.kept_hours) or no_run(run_id)
        return header

    def key_material(self, header: RunRow) -> KeyMaterial:
        """The key of the run of ``header``. Permission and record are the caller's. Raises ``KeyMissing``."""
        return self._journals.run_keys.get_key_material(header.run_id, key_version=header.key_version)

    def events(self, run_id: str, start: int, limit: int) -> tuple[list[JournalEvent], bool]:
        """Up to ``limit`` events from index ``start``, fewer where they are large, and whether the journal ends there.

        Raises ``Tampered`` when the journal ends before, or otherwise than, the header says.
        """
        header = self.header(run_id)
        page = self._page(header, start, limit)
        return page, start + len(page) > header.head_index

    def stored(self, header: RunRow, start: int = 0) -> Iterator[JournalEvent]:
        """Every event from index ``start`` to the one that ``header`` names as the last, a few in memory at once.

        Raises ``Tampered`` at the first event that is not authentic.
        """
        index = start
        while index <= header.head_index:
            for event in self._page(header, index, min(STREAM_EVENTS, header.head_index + 1 - index)):
                if event.content is None:
                    raise Tampered(f"journal of run {header.run_id}", run_id=header.run_id)
                yield event
                index += 1

    def looked_at(self, header: RunRow, start: int = 0) -> Iterator[JournalEvent]:
        """As ``stored``, but for events that do not open: they come with their fault, and the others all the same."""
        index = start
        while index <= header.head_index:
            for event in self._page(header, index, min(STREAM_EVENTS, header.head_index + 1 - index)):
                yield event
                index += 1

    def step_created(self, header: RunRow, correlation_id: str) -> JournalEvent | None:
        """The event that made a step, if there is one that opens."""
        found = self._journals.database.read(
            lambda c: journal.of_correlation(c, correlation_id, run_id=header.run_id, limit=1)
        )
        page = self._journals.page(header, found[0][1], 1) if found else []
        return page[0] if page and page[0].content is not None and page[0].row.event_type == STEP_CREATED else None

    def explained(self, header: RunRow, event: JournalEvent, explainer: Explainer) -> Unreadable | None:
        """Why ``event`` does not open; nothing when it does."""
        if event.fault is None:
            return None
        thing = f"event {event.row.index} of run {header.run_id}"
        return explainer.explain(thing, event.fault, event.key_version, elsewhere=self._is_of_elsewhere(header))

    def header_explained(self, row: RunRow, explainer: Explainer) -> Unreadable | None:
        """Why the header ``row`` is not authentic; nothing when it is."""
        try:
            self._journals.verified(row)
        except (Tampered, KeyMissing) as error:
            return explainer.explain(f"the header of run {row.run_id}", fault_of(error), row.key_version)
        return None

    def explainer(self) -> Explainer:
        """Explains what does not open, for one answer."""
        return self._journals.explainer()

    def _header_fault(self, run_id: str, error: Tampered | KeyMissing) -> Tampered | KeyMissing:
        """``error``, or which key it is about where that is what is wrong."""
        by = rows.get if run_id.startswith(PREFIX) else rows.get_by_execution
        row = self._journals.database.read(lambda connection: by(connection, run_id))
        why = None if row is None else self.header_explained(row, self.explainer())
        return (why and why.about_a_key()) or error

    def _is_of_elsewhere(self, header: RunRow) -> bool:
        """Whether no event of a journal opens: then nobody damaged it, it belongs to another database."""
        first = self._journals.page(header, 0, STREAM_EVENTS)
        return len(first) >= ELSEWHERE_EVENTS_MIN and all(event.fault is Fault.TAMPERED for event in first)

    def watch(self, run_id: str) -> AbstractContextManager[Watch]:
        """A watch for ``follow``."""
        return self._journals.streams.watch(run_id)

    def follow(self, run_id: str, start: int, watch: Watch) -> Iterator[JournalEvent]:
        """The events from index ``start`` on, and new ones as they are stored, until the run is final or ``watch`` is
        closed. Events that failed authentication come without content.

        Raises ``NotFound`` when the run does not exist or goes away, ``Tampered`` as ``events`` does.
        """
        index = start
        while not watch.closed:
            watch.seen()
            header = self.header(run_id)
            while index <= header.head_index and not watch.closed:
                for event in self._page(header, index, STREAM_EVENTS):
                    yield event
                    index += 1
            if header.status in FINAL:
                return
            watch.wait()

    def _page(self, header: RunRow, start: int, limit: int) -> list[JournalEvent]:
        page = self._journals.page(header, start, limit)
        last = page[-1].row.index if page else start - 1
        is_whole = last == start + len(page) - 1 and (last >= header.head_index or self._has_more(header, last + 1))
        # An event that was appended after the header was read is no fault; a missing one is.
        if len(page) < limit and not is_whole:
            # A run that was removed meanwhile is not there any more, which is no fault either.
            self.header(header.run_id)
            raise Tampered(f"journal of run {header.run_id}", run_id=header.run_id)
        for event in page:
            # One that does not open says so itself.
            is_last = event.row.index == header.head_index and event.content is not None
            if is_last and not self._journals.is_head(header, tag_of(event.row.sealed)):
                raise Tampered(f"journal of run {header.run_id}", run_id=header.run_id)
        return page

    def _has_more(self, header: RunRow, index: int) -> bool:
        return self._journals.database.read(lambda connection: rows.exists(connection, header.run_id, index))

    def counts(self) -> dict[str, int]:
        """Runs by state."""
        return self._journals.database.read(rows.count_by_status)

    def _authentic(self, row: RunRow) -> bool:
        try:
            self._journals.verified(row)
        except (Tampered, KeyMissing):
            return False
        return True
