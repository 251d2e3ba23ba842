"""A new run of something that has been run before, with the same input and, if wanted, the answers up to a step."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from strongroom.engine.admission import Admission
from strongroom.engine.event_types import (
    CREATED,
    HOOK_CREATED,
    HOOK_DISPOSED,
    RESTRICTIONS_SET,
    STEP_COMPLETED,
    STEP_CREATED,
    TIME_READ,
)
from strongroom.engine.execution import draw_entropy, draw_seed
from strongroom.engine.external import check_executed_here
from strongroom.engine.history import History
from strongroom.engine.hooks_again import hooks_again
from strongroom.engine.host import EngineHost
from strongroom.engine.journal import JournalEvent
from strongroom.engine.lifecycle import FINAL
from strongroom.engine.opened import asks_for_secrets
from strongroom.engine.recorded import limits_now
from strongroom.engine.runids import check_run_id, new_run_id
from strongroom.engine.standing import standing_workflow
from strongroom.errors import InvalidInput, Refused, Unavailable, WrongState
from strongroom.modules.route import LOCAL
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.storage.runs import RunRow

__all__ = ["Retried", "Retries"]

SEEN_BEFORE: Final = frozenset({TIME_READ, RESTRICTIONS_SET})
"""Beside the steps, what a guest saw that its next request may depend on."""
TAKEN_OVER: Final = SEEN_BEFORE | {CREATED, STEP_CREATED, STEP_COMPLETED, HOOK_CREATED, HOOK_DISPOSED}
"""What the journal of a repeated run begins with."""


@dataclass(frozen=True, slots=True)
class Retried:
    """The new run, whether it is new, and how many answers it took over."""

    header: RunRow
    created: bool
    steps_kept: int


class Retries:
    """Repeats runs."""

    def __init__(self, host: EngineHost, history: History, admission: Admission) -> None:
        self._host = host
        self._history = history
        self._admission = admission

    def retry(self, run_id: str, from_step: str, new_id: str) -> Retried:
        """Start a run of the same workflow with the same input. It is on disk when this returns.

        With ``from_step`` (the correlation id of a step) it is the same run up to there: it sees the same time, the
        same randomness, and the recorded answers of the steps before. The same ``new_id`` again finds the run that it
        stands for. Raises ``WrongState``, ``InvalidInput``, and what a start raises.
        """
        try:
            return self._begun(run_id, from_step, new_id)
        except (Refused, Unavailable):
            # What was accepted before stays accepted, whatever became of its workflow or of the run that it repeats.
            found = self._admission.repeated(run_id, from_step, new_id)
            if found is None:
                raise
            return Retried(found, False, self._kept_by(found))

    def _begun(self, run_id: str, from_step: str, new_id: str) -> Retried:
        parent = self._history.header(run_id)
        if parent.status not in FINAL:
            raise WrongState(
                "SR-RUN-048",
                f"run {parent.run_id} is {parent.status}, and only a run that has ended can be repeated",
                fix="wait for its end, or cancel it",
                run_id=parent.run_id,
            )
        check_executed_here(parent, "be repeated")
        if from_step and parent.module != LOCAL:
            raise WrongState(
                "SR-RUN-049",
                f"the steps of run {parent.run_id} are not known to this host",
                why="it was executed in an enclave",
                fix="repeat it from its start: leave the step out",
                run_id=parent.run_id,
            )
        spec = standing_workflow(self._host, parent)
        created, kept = self._taken_over(parent, from_step)
        answers = sum(event.row.event_type == STEP_COMPLETED for event in kept)
        target = check_run_id(new_id) if new_id else new_run_id()
        header, is_new = self._admission.repeat(spec, parent, created, kept, run_id=target)
        return Retried(header, is_new, answers)

    def _kept_by(self, header: RunRow) -> int:
        """How many answers a run took over: those that its journal held before it was started."""
        begun = takewhile(lambda event: event.row.event_type in TAKEN_OVER, self._history.stored(header))
        return sum(event.row.event_type == STEP_COMPLETED for event in begun)

    def _taken_over(self, parent: RunRow, from_step: str) -> tuple[journal_pb2.RunCreated, list[JournalEvent]]:
        stored = self._history.stored(parent)
        first = next(stored)
        before = journal_pb2.RunCreated.FromString(first.content or b"")
        if not from_step:
            # A new run in all but its input: it has a time and randomness of its own.
            created = limits_now(self._host.limits)
            created.trigger, created.parent_run_id = before.trigger, parent.run_id
            created.traceparent = before.traceparent
            created.node_seed, created.entropy = draw_seed(), draw_entropy()
            created.accepted_unix_ns = time.time_ns()
            return created, []
        created = journal_pb2.RunCreated()
        created.CopyFrom(before)
        created.parent_run_id, created.from_step = parent.run_id, from_step
        created.seen_execution_id = before.seen_execution_id or parent.execution_id
        events = list(stored)
        kept = _up_to(from_step, events)
        return created, [*hooks_again(self._host.journals, events, kept), *kept]


def _up_to(from_step: str, events: Sequence[JournalEvent]) -> list[JournalEvent]:
    """What the guest had seen when it made ``from_step``, and the answers of all steps that it made before.

    A step without an answer is not among them: it is made anew. Neither are secrets: by now they may be others, or not
    be the workflow's any more.
    """
    made = [event.row.correlation_id for event in events if event.row.event_type == STEP_CREATED]
    if from_step not in made:
        raise InvalidInput(
            "SR-RUN-055",
            f"the run has no step {from_step[:80]!r}",
            why=f"it made {len(made)}",
            fix="strongroom run events lists them, each with its id",
            field="from_step",
        )
    answered = {event.row.correlation_id for event in events if event.row.event_type == STEP_COMPLETED}
    secret = {
        event.row.correlation_id
        for event in events
        if event.row.event_type == STEP_CREATED and asks_for_secrets(event.content or b"")
    }
    before = (set(made[: made.index(from_step)]) & answered) - secret
    kept, reached = [], False
    for event in events:
        kind, name = event.row.event_type, event.row.correlation_id
        reached = reached or (kind == STEP_CREATED and name == from_step)
        if kind in {STEP_CREATED, STEP_COMPLETED}:
            if name in before:
                kept.append(event)
        elif kind in SEEN_BEFORE and not reached:
            kept.append(event)
    return kept
