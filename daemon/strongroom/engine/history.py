"""Looking at runs: headers and journals, with what failed authentication marked and never trusted."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final

from strongroom.crypto.srn1 import tag_of
from strongroom.engine.journal import JournalEvent, Journals
from strongroom.engine.lifecycle import FINAL
from strongroom.engine.stream_reader import StreamReader
from strongroom.engine.streams import Watch
from strongroom.errors import KeyMissing, NotFound, Tampered
from strongroom.storage import runs as rows
from strongroom.storage.runs import RunRow

__all__ = ["History", "no_run"]

STREAM_EVENTS: Final = 16
"""Events of a stream in memory at once: there are many streams."""


def no_run(run_id: str) -> NotFound:
    """A run that is not there, or not for whoever asks."""
    return NotFound("SR-RUN-001", f"there is no run {run_id[:80]!r}", fix="list runs: strongroom run list")


class History:
    """Reads runs."""

    def __init__(self, journals: Journals) -> None:
        self._journals = journals
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
        header = self._journals.get(run_id)
        if header is None:
            raise no_run(run_id)
        return header

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
            if event.row.index == header.head_index and not self._journals.is_head(header, tag_of(event.row.sealed)):
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
