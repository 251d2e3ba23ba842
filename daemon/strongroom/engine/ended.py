"""How a run ended, as its journal has it."""

from dataclasses import dataclass

from strongroom.engine.event_types import CANCEL_REQUESTED
from strongroom.engine.external import is_external
from strongroom.engine.handles import Outcome
from strongroom.engine.history import History
from strongroom.engine.journal import JournalEvent
from strongroom.engine.lifecycle import FINAL, RunEvent
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.pb.strongroom.world.v1.event_data_pb2 import EventData
from strongroom.storage.runs import RunRow

__all__ = ["Ended", "ended", "outcome_of"]


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended, if it has, and why it was asked to stop, if it was: it may have completed all the same."""

    outcome: Outcome | None
    cancel_reason: str


def ended(history: History, header: RunRow) -> Ended:
    """What the journal says of its end. Raises ``Tampered`` when any of it is not authentic."""
    if is_external(header):
        return _ended_by_others(history, header)
    reason = ""
    last: JournalEvent | None = None
    for event in history.stored(header):
        last = event
        if event.row.event_type == CANCEL_REQUESTED:
            reason = journal_pb2.CancelRequested.FromString(event.content or b"").reason
    outcome = outcome_of(last) if last is not None and header.status in FINAL else None
    return Ended(outcome, reason)


def _ended_by_others(history: History, header: RunRow) -> Ended:
    """Its results are in no form that this host knows, so they are left to those who execute it."""
    reason = ""
    for event in history.stored(header):
        if event.row.event_type == RunEvent.CANCELLED:
            reason = EventData.FromString(event.content or b"").cancel_reason
    return Ended(None, reason)


def outcome_of(event: JournalEvent) -> Outcome:
    """What the last event of a run that has ended says."""
    content = event.content or b""
    if event.row.event_type == RunEvent.COMPLETED:
        completed = journal_pb2.RunCompleted.FromString(content)
        return Outcome(sdk_pb2.ExecutionResult.FromString(completed.result), None)
    return Outcome(None, journal_pb2.Failure.FromString(content))
