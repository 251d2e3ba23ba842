"""Fields of a run, opened for whoever gave a reason: those that were asked for, each by itself.

A field that does not open takes nothing from the others: it is named, with why.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from strongroom.engine.ended import outcome_of
from strongroom.engine.event_types import CANCEL_REQUESTED, FIELDS, STEP_COMPLETED, STEP_CREATED
from strongroom.engine.external import is_external
from strongroom.engine.handles import Outcome
from strongroom.engine.history import History
from strongroom.engine.journal import JournalEvent
from strongroom.engine.lifecycle import FINAL, RunEvent, RunState
from strongroom.engine.opened import HIDDEN, Json, Opener
from strongroom.engine.opened_bytes import readable
from strongroom.engine.unreadable import Fault, Unreadable
from strongroom.errors import InvalidInput, Tampered
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.pb.strongroom.world.v1.event_data_pb2 import EventData
from strongroom.storage.runs import RunRow

__all__ = ["EVENT_FIELDS", "RUN_FIELDS", "EventOpener", "RunFields", "checked_fields", "run_fields"]

EVENT_FIELDS: Final = tuple(sorted(set(FIELDS.values()) - {""}))
"""What the content of an event may be."""
RUN_FIELDS: Final = ("input", "output", "error", "reason")
"""What one sees of a run as a whole: what started it, how it ended, why it was asked to stop."""


def checked_fields(untrusted_names: Collection[str], known: Sequence[str]) -> tuple[str, ...]:
    """The names of ``known`` that were asked for; all of them where none was. Raises ``InvalidInput``."""
    for name in untrusted_names:
        if name not in known:
            raise InvalidInput(
                "SR-VIEW-006",
                f"{name[:40]!r} is no field that can be opened here",
                why=f"there are {', '.join(known)}",
                fix="name some of them, or none for all",
                field="fields",
            )
    return tuple(name for name in known if name in untrusted_names or not untrusted_names)


class EventOpener:
    """Opens events of one run, in their order, from wherever one begins."""

    def __init__(self, history: History, header: RunRow, fields: Collection[str]) -> None:
        self._history = history
        self._header = header
        self._fields = fields
        self._of_others = is_external(header)
        self._opener = Opener(of_others=self._of_others)
        self._steps: set[str] = set()

    def content(self, event: JournalEvent) -> Json | None:
        """What ``event`` says; nothing when it does not open, or was not asked for. Secrets are hidden."""
        kind, name = event.row.event_type, event.row.correlation_id
        if event.content is None:
            return None
        if kind == STEP_CREATED:
            self._steps.add(name)
        elif kind == STEP_COMPLETED and FIELDS[kind] in self._fields and not self._knows(name):
            return {"response": HIDDEN}
        found = self._opener.content(kind, name, event.content)
        if FIELDS[kind] not in self._fields:
            return None
        return readable(kind, self._header.module, found)

    def _knows(self, step: str) -> bool:
        """Whether it is known what the step asked: of one that asked the vault the answer is hidden too."""
        if step in self._steps or self._of_others:
            return True
        created = self._history.step_created(self._header, step)
        if created is None:
            return False
        self._steps.add(step)
        self._opener.content(STEP_CREATED, step, created.content or b"")
        return True


@dataclass(slots=True)
class RunFields:
    """What was asked for of a run, as far as it opens."""

    input: Json | None = None
    outcome: Outcome | None = None
    cancel_reason: str = ""
    unreadable: list[tuple[str, Unreadable]] = field(default_factory=list)

    @property
    def shown(self) -> int:
        """How many fields opened."""
        return sum((self.input is not None, self.outcome is not None, bool(self.cancel_reason)))


def run_fields(history: History, header: RunRow, wanted: Collection[str]) -> RunFields:
    """The fields of ``header`` that are ``wanted``, of those in ``RUN_FIELDS``."""
    return _Reader(history, header).read(wanted)


class _Reader:
    def __init__(self, history: History, header: RunRow) -> None:
        self._history = history
        self._header = header
        self._explainer = history.explainer()
        self._found = RunFields()

    def read(self, wanted: Collection[str]) -> RunFields:
        header, found = self._header, self._found
        if "input" in wanted and (first := self._event("input", 0)) is not None:
            found.input = EventOpener(self._history, header, {"input"}).content(first)
        end = "output" if header.status == RunState.COMPLETED else "error"
        is_ours = header.status in FINAL and not is_external(header)
        if is_ours and end in wanted and (last := self._event(end, header.head_index)) is not None:
            found.outcome = outcome_of(last)
        if "reason" in wanted:
            self._read_reason()
        return found

    def _event(self, name: str, index: int) -> JournalEvent | None:
        try:
            page, _ = self._history.events(self._header.run_id, index, 1)
        except Tampered:
            # The journal as a whole is not what its header says.
            self._missing(name)
            return None
        if not page:
            self._missing(name)
            return None
        why = self._history.explained(self._header, page[0], self._explainer)
        if why is not None:
            self._found.unreadable.append((name, why))
            return None
        return page[0]

    def _read_reason(self) -> None:
        cancelled = RunEvent.CANCELLED.value if is_external(self._header) else CANCEL_REQUESTED
        try:
            for event in self._history.looked_at(self._header):
                if event.row.event_type != cancelled:
                    continue
                why = self._history.explained(self._header, event, self._explainer)
                if why is not None:
                    self._found.unreadable.append(("reason", why))
                elif is_external(self._header):
                    self._found.cancel_reason = EventData.FromString(event.content or b"").cancel_reason
                else:
                    self._found.cancel_reason = journal_pb2.CancelRequested.FromString(event.content or b"").reason
        except Tampered:
            self._missing("reason")

    def _missing(self, name: str) -> None:
        why = self._explainer.explain(f"the journal of run {self._header.run_id}", Fault.TAMPERED, 0)
        self._found.unreadable.append((name, why))
