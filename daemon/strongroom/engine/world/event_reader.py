"""Reading events of the contract: one, those of a run, and those of a step, hook or wait. Every one is authentic.

A cursor is the event at which a page ended, so events that are appended meanwhile move no page.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from strongroom.engine.journal import JournalEvent
from strongroom.engine.world.contents import ReadEvent
from strongroom.engine.world.faults import invalid, not_found
from strongroom.engine.world.ledger import Ledger
from strongroom.storage import journal
from strongroom.storage.runs import RunRow

__all__ = ["EventPage", "EventReader", "FoundEvent", "event_id", "index_of"]

PREFIX: Final = "evnt_"
DIGITS: Final = 26
INDEX_MAX: Final = 2**53 - 1
CHUNK: Final = 16
"""Events in memory at once beyond those of the page: each may be a megabyte."""
PAGE_BYTES: Final = 4_000_000
"""A page ends once its events are that large together."""
SHORT_ID_CHARS: Final = 20
"""Correlation ids of guests are short and in every run; no index holds them."""
Allowed = Callable[[RunRow], bool]


def event_id(index: int) -> str:
    """The id of the event at ``index``, which counts from 0: ``evnt_`` and its number from 1 in 26 digits."""
    return f"{PREFIX}{index + 1:0{DIGITS}}"


def index_of(untrusted_id: str) -> int:
    """The index of an event. Raises ``InvalidInput``."""
    digits = untrusted_id.removeprefix(PREFIX)
    is_one = untrusted_id.startswith(PREFIX) and len(digits) == DIGITS and digits.isascii() and digits.isdigit()
    if not is_one or not 1 <= int(digits) <= INDEX_MAX:
        raise invalid(
            "SR-WORLD-029", f"{untrusted_id[:64]!r} is no id of an event", "event_id", fix=f"use {PREFIX} and 26 digits"
        )
    return int(digits) - 1


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events of a run. ``cursor`` is the last one of them; ``has_more`` says whether others stand behind it."""

    header: RunRow
    events: list[ReadEvent]
    cursor: int
    has_more: bool


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An event, and the header of its run."""

    header: RunRow
    event: ReadEvent


class EventReader:
    """Reads events."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def get(self, run_id: str, untrusted_id: str) -> FoundEvent:
        """One event. Raises ``NotFound``, ``InvalidInput``, ``Tampered``, ``KeyMissing``."""
        index = index_of(untrusted_id)
        header, book = self._ledger.read(run_id)
        if index > header.head_index:
            raise not_found("Event", untrusted_id)
        return FoundEvent(header, self._ledger.event(header, book, index))

    def list(self, run_id: str, *, cursor: int | None = None, limit: int, descending: bool = False) -> EventPage:
        """Up to ``limit`` events behind ``cursor``, fewer where they are large. Raises as ``get`` does."""
        header, book = self._ledger.read(run_id)
        head = header.head_index
        found: list[ReadEvent] = []
        size = 0
        indexes = self._downward(header, cursor) if descending else self._upward(header, cursor)
        for event in indexes:
            found.append(self._ledger.opened(header, book, event))
            size += len(event.row.sealed)
            if len(found) >= limit or size >= PAGE_BYTES:
                break
        start = -1 if cursor is None else cursor
        last = found[-1].row.index if found else start
        return EventPage(header, found, last, has_more=bool(found) and (last > 0 if descending else last < head))

    def of_correlation(
        self,
        correlation_id: str,
        *,
        run_id: str = "",
        behind: tuple[str, int] | None = None,
        limit: int,
        descending: bool = False,
        is_allowed: Allowed = lambda _header: True,
    ) -> tuple[Sequence[FoundEvent], bool]:
        """Up to ``limit`` events with that id behind ``behind``, by run and index, of runs that are allowed; and
        whether there are others. Raises ``InvalidInput`` for a short id without a run, ``NotFound``, ``Tampered``."""
        if not run_id and len(correlation_id) <= SHORT_ID_CHARS:
            raise invalid(
                "SR-WORLD-031",
                f"a correlation id of {SHORT_ID_CHARS} characters or fewer is looked for in one run only",
                "run_id",
                why="short ones are in many runs, and no index holds them",
                fix="name the run, or make ids longer, such as step_ and a ULID",
            )
        if run_id:
            self._ledger.header(run_id)
        found: list[FoundEvent] = []
        size = 0
        query = partial(
            journal.of_correlation, correlation_id=correlation_id, run_id=run_id, descending=descending, limit=CHUNK
        )
        while places := self._ledger.journals.database.read(partial(query, behind=behind)):
            for place in places:
                event = self._allowed(place, is_allowed)
                if event is None:
                    behind = place
                    continue
                if len(found) >= limit or size >= PAGE_BYTES:
                    return found, True
                behind = place
                found.append(event)
                size += len(event.event.row.sealed)
        return found, False

    def _allowed(self, place: tuple[str, int], is_allowed: Allowed) -> FoundEvent | None:
        header = self._ledger.find(place[0])
        # A run that goes away meanwhile is not there, and what was appended after the header was read comes later.
        if header is None or not is_allowed(header) or place[1] > header.head_index:
            return None
        header, book = self._ledger.read(place[0])
        return FoundEvent(header, self._ledger.event(header, book, place[1]))

    def _upward(self, header: RunRow, cursor: int | None) -> Iterator[JournalEvent]:
        index = 0 if cursor is None else cursor + 1
        while index <= header.head_index:
            for event in self._chunk(header, index, min(CHUNK, header.head_index + 1 - index)):
                yield event
                index += 1

    def _downward(self, header: RunRow, cursor: int | None) -> Iterator[JournalEvent]:
        end = header.head_index + 1 if cursor is None else min(cursor, header.head_index + 1)
        while end > 0:
            start = max(0, end - CHUNK)
            chunk: list[JournalEvent] = []
            while start + len(chunk) < end:
                chunk += self._chunk(header, start + len(chunk), end - start - len(chunk))
            yield from reversed(chunk)
            end = start

    def _chunk(self, header: RunRow, index: int, limit: int) -> Sequence[JournalEvent]:
        page = self._ledger.journals.page(header, index, limit)
        if not page or page[0].row.index != index:
            raise self._ledger.journals.fault(header)
        return page
