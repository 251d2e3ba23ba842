"""What a journal says, in the form that running a guest again needs."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from strongroom.engine.asked import is_same
from strongroom.engine.event_types import (
    CANCEL_REQUESTED,
    CREATED,
    LOG_WRITTEN,
    RECEIPT_KEPT,
    RESTRICTIONS_SET,
    STEP_COMPLETED,
    STEP_CREATED,
    TIME_READ,
)
from strongroom.engine.journal import JournalEvent
from strongroom.engine.lifecycle import RunEvent
from strongroom.engine.limits import EngineLimits
from strongroom.guest.ids import PRE_HOOK, TRIGGER
from strongroom.pb.strongroom.journal.v1 import journal_pb2

__all__ = ["Recorded", "RecordedStep", "entropy_of", "limits_now", "phase_of", "recorded"]

ENDS: Final = frozenset({RunEvent.COMPLETED, RunEvent.FAILED, RunEvent.CANCELLED, RunEvent.TIMED_OUT})


@dataclass(slots=True)
class RecordedStep:
    """A step: what was asked, as serialized bytes or by their digest, and its answer once there is one."""

    request: bytes = field(repr=False)
    secrets: bool = False
    completed: journal_pb2.StepCompleted | None = None
    digest: bytes = b""

    def asked_for(self, asked: bytes) -> bool:
        """Whether ``asked`` is what this step asked for."""
        return is_same(self.request, self.digest, asked)


@dataclass(slots=True)
class Recorded:
    """A journal so far. ``times`` and ``log_lines`` are by phase; the lines are counted by mode.

    ``restrictions`` is set once the pre-hook was asked, ``suspended`` to the last suspension of ``suspensions``,
    ``cancel_reason`` once somebody asked to cancel, ``receipt_sha256`` to the digest of the last receipt, ``end`` to
    the event that ended the run.
    """

    created: journal_pb2.RunCreated
    steps: dict[str, RecordedStep] = field(default_factory=dict)
    times: dict[str, list[int]] = field(default_factory=dict)
    restrictions: journal_pb2.RestrictionsSet | None = None
    log_lines: dict[str, dict[int, int]] = field(default_factory=dict)
    suspended: journal_pb2.Suspended | None = None
    suspensions: int = 0
    cancel_reason: str | None = None
    receipt_sha256: bytes = b""
    end: JournalEvent | None = None

    @property
    def latest_unix_ns(self) -> int:
        """The latest moment that the guest may know of, Unix nanoseconds."""
        answered = (step.completed.answered_unix_ns for step in self.steps.values() if step.completed)
        read = (moment for moments in self.times.values() for moment in moments)
        return max(self.created.accepted_unix_ns, max(answered, default=0), max(read, default=0))


def phase_of(correlation_id: str) -> str:
    """The phase whose step, time or log an event belongs to."""
    return PRE_HOOK if correlation_id.startswith(PRE_HOOK) else TRIGGER


def entropy_of(created: journal_pb2.RunCreated, run_id: str, phase: str) -> bytes:
    """32 bytes for one phase; for a journal from before, which has none, what never changes for it."""
    drawn = created.entropy or f"{run_id} {created.node_seed}".encode()
    return drawn if len(drawn) == 32 and phase == TRIGGER else hashlib.sha256(phase.encode() + drawn).digest()


def limits_now(limits: EngineLimits) -> journal_pb2.RunCreated:
    """Limits that a guest can see, or that its journal shows: those of its acceptance stand for the whole run."""
    return journal_pb2.RunCreated(
        response_bytes_max=limits.response_bytes_max,
        log_lines_max=limits.guest.log_lines_max,
        log_line_bytes_max=limits.guest.log_line_bytes_max,
        time_reads_max=limits.time_reads_max,
    )


def recorded(events: Iterable[JournalEvent]) -> Recorded:
    """What ``events``, a journal from its beginning, each authentic, come to."""
    found = Recorded(created=journal_pb2.RunCreated())
    for event in events:
        _take(found, event)
    return found


def _take(found: Recorded, event: JournalEvent) -> None:
    content, name = event.content or b"", event.row.correlation_id
    match event.row.event_type:
        case kind if kind == CREATED:
            found.created = journal_pb2.RunCreated.FromString(content)
        case kind if kind == STEP_CREATED:
            asked = journal_pb2.StepCreated.FromString(content)
            request, is_fetch = asked.secrets_request or asked.request, bool(asked.secrets_request)
            found.steps[name] = RecordedStep(request, is_fetch, digest=asked.request_digest)
        case kind if kind == STEP_COMPLETED:
            found.steps[name].completed = journal_pb2.StepCompleted.FromString(content)
        case kind if kind == TIME_READ:
            moment = journal_pb2.TimeRead.FromString(content).unix_ns
            found.times.setdefault(phase_of(name), []).append(moment)
        case kind if kind == LOG_WRITTEN:
            counts = found.log_lines.setdefault(phase_of(name), {})
            for line in journal_pb2.LogWritten.FromString(content).lines:
                counts[line.mode] = counts.get(line.mode, 0) + 1
        case kind if kind == RESTRICTIONS_SET:
            found.restrictions = journal_pb2.RestrictionsSet.FromString(content)
        case kind if kind == RECEIPT_KEPT:
            found.receipt_sha256 = hashlib.sha256(journal_pb2.ReceiptKept.FromString(content).receipt).digest()
        case kind if kind == CANCEL_REQUESTED:
            found.cancel_reason = journal_pb2.CancelRequested.FromString(content).reason
        case kind if kind == RunEvent.SUSPENDED:
            found.suspensions += 1
            found.suspended = journal_pb2.Suspended.FromString(content)
        case kind if kind in ENDS:
            found.end = event
