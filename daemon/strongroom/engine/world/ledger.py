"""The journals behind the door: read into books, and appended to behind the event that was last when it was read.

Rule 1: who appends to a run holds its lock from reading its book until the disk has the events.
Rule 2: a header is replaced only where the journal still ends as it did; who comes too late reads again.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from strongroom.crypto.srn1 import tag_of
from strongroom.engine.begun import store_begun
from strongroom.engine.external import is_external
from strongroom.engine.history import no_run
from strongroom.engine.hooks import Hooks
from strongroom.engine.journal import Event, JournalEvent, Journals, now_ms
from strongroom.engine.runids import PREFIX
from strongroom.engine.world.contents import OF_VAULT, ReadEvent, read_event
from strongroom.engine.world.rules import EventType
from strongroom.engine.world.views import Book, RunView
from strongroom.storage import runs as rows
from strongroom.storage.database import Connection
from strongroom.storage.hooks import HookRow
from strongroom.storage.runs import EventRow, RunRow

__all__ = ["HookChange", "Ledger"]

BOOKS_WEIGHT_MAX: Final = 100_000
"""Views in memory, some hundred bytes each; of other runs the journal is read again."""
PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class HookChange:
    """What becomes of a row of hooks: ``made`` with a token, or disposed of."""

    hook_id: str
    made: HookRow | None = None
    token: str = field(default="", repr=False)


class Ledger:
    """Reads and appends. Safe to use from several threads."""

    def __init__(self, journals: Journals, hooks: Hooks) -> None:
        self.journals = journals
        self._hooks = hooks
        self._books: OrderedDict[str, Book] = OrderedDict()
        self._weight = 0
        self._keeping = threading.Lock()

    def locked(self, run_id: str) -> AbstractContextManager[bool]:
        """The lock of a run, which is that of its hooks."""
        return self._hooks.locked(run_id)

    def find(self, run_id: str) -> RunRow | None:
        """The header of a run, if it is there. Raises ``Tampered``, ``KeyMissing``."""
        return self.journals.get(run_id) if run_id.startswith(PREFIX) else None

    def header(self, run_id: str) -> RunRow:
        """The header of a run. Raises ``NotFound``, ``Tampered``, ``KeyMissing``."""
        header = self.find(run_id)
        if header is None:
            raise no_run(run_id)
        return header

    def read(self, run_id: str) -> tuple[RunRow, Book]:
        """The header of a run and its views, which nobody else changes. Raises as ``header`` does."""
        with self.locked(run_id):
            header = self.header(run_id)
            return header, self.book(header).copied()

    def book(self, header: RunRow) -> Book:
        """The views as of ``header``, whose lock is held. Raises ``NotFound``, ``Tampered``, ``KeyMissing``."""
        with self._keeping:
            book = self._books.pop(header.run_id, None)
            self._weight -= book.weight if book is not None else 0
        if book is None or not self._read(book, header):
            # Nothing is known of it, or its journal is another one since.
            book = Book(RunView(run_id=header.run_id, workflow_name=header.workflow_name), is_external(header))
            if not self._read(book, header):
                raise self.journals.fault(header)
        with self._keeping:
            self._books[header.run_id] = book
            self._weight += book.weight
            while self._weight > BOOKS_WEIGHT_MAX and len(self._books) > 1:
                self._weight -= self._books.popitem(last=False)[1].weight
        return book

    def event(self, header: RunRow, book: Book, index: int) -> ReadEvent:
        """One event of a run with its content. Raises ``Tampered``."""
        page = self.journals.page(header, index, 1)
        if not page or page[0].row.index != index:
            raise self.journals.fault(header)
        return self.opened(header, book, page[0])

    def opened(self, header: RunRow, book: Book, event: JournalEvent) -> ReadEvent:
        """An event in the words of the contract, without what a guest got from the vault. Raises ``Tampered``."""
        read = read_event(header, event)
        if read.kind is EventType.STEP_COMPLETED and not book.is_external:
            step = book.steps.get(event.row.correlation_id)
            if step is None or step.step_name == OF_VAULT:
                read.data.ClearField("result")
        return read

    def begin(
        self,
        header: RunRow,
        events: Sequence[Event],
        hooks: Sequence[HookChange],
        *,
        ended_at: int,
        **changes: Any,  # Any: header columns
    ) -> RunRow:
        """Store a run with its first events; its header as stored. Raises ``Conflict`` when it is there."""
        stored = self._sealed(header, events, -1, b"")
        header = self._at_end(header, stored, input_bytes=len(stored[0].sealed), **changes)

        def job(connection: Connection) -> None:
            store_begun(connection, header, stored, (), spec_mac=None, once=False)
            self._change_hooks(connection, header, hooks, ended_at)

        self._written(header, job)
        return header

    def append(
        self,
        before: RunRow,
        events: Sequence[Event],
        hooks: Sequence[HookChange],
        *,
        ended_at: int,
        **changes: Any,  # Any: header columns
    ) -> None:
        """Store events behind those of ``before``, whose lock is held, with ``changes`` to its header.

        ``ended_at`` is when the run ended with one of them, else 0. Raises ``Conflict`` when the journal ends otherwise
        by now, ``WrongState`` when the token of a hook was taken meanwhile, ``SealBudgetExceeded``, ``StorageFault``,
        ``Unavailable``.
        """
        stored = self._sealed(before, events, before.head_index, before.head_tag)
        header = self._at_end(before, stored, **changes)

        def job(connection: Connection) -> None:
            rows.replace(connection, header, after=before, may_have_ended=True)
            for event in stored:
                rows.append(connection, event)
            self._change_hooks(connection, header, hooks, ended_at)

        self._written(header, job)

    def _written(self, header: RunRow, job: Any) -> None:  # Any: what the writer takes
        self.journals.check_stopped()
        self.journals.database.write(job).result()
        self.journals.streams.ring(header.run_id)

    def _change_hooks(self, connection: Connection, header: RunRow, hooks: Sequence[HookChange], ended_at: int) -> None:
        of = self.journals.hook_rows
        for change in hooks:
            if change.made is not None:
                of.add(connection, change.made, change.token)
            else:
                of.dispose(connection, change.hook_id, now_ms())
        if ended_at:
            of.dispose_all(connection, header.run_id, ended_at)

    def _sealed(self, header: RunRow, events: Sequence[Event], index: int, tag: bytes) -> list[EventRow]:
        stored: list[EventRow] = []
        for event in events:
            index += 1
            stored.append(self.journals.sealed(header, event, index=index, previous_tag=tag))
            tag = tag_of(stored[-1].sealed)
        return stored

    def _at_end(self, header: RunRow, stored: Sequence[EventRow], **changes: Any) -> RunRow:  # Any: header columns
        end = next((row for row in stored if row.event_type in _ENDS), None)
        if end is not None:
            changes["output_bytes"] = len(end.sealed)
        last = stored[-1]
        changed = replace(header, head_index=last.index, head_tag=tag_of(last.sealed), **changes)
        return self.journals.authenticated(changed)

    def _read(self, book: Book, header: RunRow) -> bool:
        """Read what is new; whether the book ends as the header says, or behind that."""
        begun, sizes = book.next_index, []
        if begun > header.head_index + 1:
            # The run of before is gone, and its id was used again.
            return False
        while page := self.journals.page(header, book.next_index, PAGE):
            if any(event.content is None for event in page):
                return False
            for event in page:
                book.take(read_event(header, event))
                sizes.append(len(event.row.sealed))
            book.tag = tag_of(page[-1].row.sealed)
        if begun == 0:
            # What an earlier process sealed counts against the budget of the run.
            self.journals.count_sealed(header, sizes)
        behind = book.next_index - 1 - header.head_index
        return behind > 0 or (behind == 0 and self.journals.is_head(header, book.tag))


_ENDS: Final = frozenset({EventType.RUN_COMPLETED, EventType.RUN_FAILED, EventType.RUN_CANCELLED})
