"""Looking at runs: headers and journals, with what failed authentication marked and never trusted."""

from collections.abc import Sequence

from strongroom.crypto.srn1 import tag_of
from strongroom.engine.journal import JournalEvent, Journals
from strongroom.errors import KeyMissing, NotFound, Tampered
from strongroom.storage import runs as rows
from strongroom.storage.runs import RunRow

__all__ = ["History"]


class History:
    """Reads runs."""

    def __init__(self, journals: Journals) -> None:
        self._journals = journals

    def page(
        self, *, workflow_id: str, owner: str, statuses: Sequence[str], before: tuple[int, str] | None, limit: int
    ) -> list[tuple[RunRow, bool]]:
        """Up to ``limit`` headers, newest first, each with whether it is authentic."""
        found = self._journals.database.read(
            lambda connection: rows.page(
                connection,
                workflow_id=workflow_id or None,
                owner=owner or None,
                statuses=statuses,
                before=before,
                limit=limit,
            )
        )
        return [(row, self._authentic(row)) for row in found]

    def events(self, run_id: str, start: int, limit: int) -> tuple[list[JournalEvent], bool]:
        """Up to ``limit`` events from index ``start``, and whether the journal ends there.

        Raises ``Tampered`` when the journal ends before, or otherwise than, the header says.
        """
        header = self._journals.get(run_id)
        if header is None:
            raise NotFound("SR-RUN-001", f"there is no run {run_id[:80]!r}", fix="list runs: strongroom run list")
        page = self._journals.page(header, start, limit)
        last = start + len(page) - 1
        # An event that was appended after the header was read is no fault; a missing one is.
        if len(page) < limit and last < header.head_index:
            raise Tampered(f"journal of run {run_id}", run_id=run_id)
        for event in page:
            if event.row.index == header.head_index and tag_of(event.row.sealed) != header.head_tag:
                raise Tampered(f"journal of run {run_id}", run_id=run_id)
        return page, len(page) < limit or last >= header.head_index

    def counts(self) -> dict[str, int]:
        """Runs by state."""
        return self._journals.database.read(rows.count_by_status)

    def _authentic(self, row: RunRow) -> bool:
        try:
            self._journals.verified(row)
        except (Tampered, KeyMissing):
            return False
        return True
