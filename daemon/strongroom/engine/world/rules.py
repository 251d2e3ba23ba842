"""How runs, steps, hooks and waits of others change, as tables. Source: contracts, "run-encryption" 10.2 and 10.3.

Rule 1: every way that something changes its state is a row here, and so is every refusal.
Rule 2: nothing here does I/O; callers hand in the states, and act on those that they get back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from strongroom.engine.world import faults

__all__ = [
    "FINAL_RUN",
    "FINAL_STEP",
    "HOOK_EVENTS",
    "MADE_HERE",
    "RUNS",
    "RUN_EVENTS",
    "STEPS",
    "STEP_EVENTS",
    "WAIT_EVENTS",
    "EventType",
    "RunStatus",
    "Step",
    "StepStatus",
    "attributes_set",
    "hook_changed",
    "hook_created",
    "run_changed",
    "step_changed",
    "wait_completed",
    "wait_created",
]


class EventType(StrEnum):
    """What can happen."""

    RUN_CREATED = "run_created"
    RUN_STARTED = "run_started"
    RUN_COMPLETED = "run_completed"
    RUN_FAILED = "run_failed"
    RUN_CANCELLED = "run_cancelled"
    ATTR_SET = "attr_set"
    STEP_CREATED = "step_created"
    STEP_STARTED = "step_started"
    STEP_COMPLETED = "step_completed"
    STEP_FAILED = "step_failed"
    STEP_RETRYING = "step_retrying"
    HOOK_CREATED = "hook_created"
    HOOK_RECEIVED = "hook_received"
    HOOK_DISPOSED = "hook_disposed"
    HOOK_CONFLICT = "hook_conflict"
    WAIT_CREATED = "wait_created"
    WAIT_COMPLETED = "wait_completed"
    NOOP = "noop"


class RunStatus(StrEnum):
    """Where a run is."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepStatus(StrEnum):
    """Where a step is. No event leads to ``cancelled``, which the contract has all the same."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


E = EventType
MADE_HERE: Final = frozenset({E.HOOK_CONFLICT, E.NOOP})
"""What no client appends."""
RUN_EVENTS: Final = frozenset({E.RUN_STARTED, E.RUN_COMPLETED, E.RUN_FAILED, E.RUN_CANCELLED})
STEP_EVENTS: Final = frozenset({E.STEP_STARTED, E.STEP_COMPLETED, E.STEP_FAILED, E.STEP_RETRYING})
HOOK_EVENTS: Final = frozenset({E.HOOK_CREATED, E.HOOK_RECEIVED, E.HOOK_DISPOSED})
WAIT_EVENTS: Final = frozenset({E.WAIT_CREATED, E.WAIT_COMPLETED})

_ENDS: Final = {
    E.RUN_COMPLETED: RunStatus.COMPLETED,
    E.RUN_FAILED: RunStatus.FAILED,
    E.RUN_CANCELLED: RunStatus.CANCELLED,
}
RUNS: Final[Mapping[RunStatus, Mapping[EventType, RunStatus]]] = {
    # An end may come before the start is told: a program that crashed in between goes on behind it.
    RunStatus.PENDING: {E.RUN_STARTED: RunStatus.RUNNING, **_ENDS},
    RunStatus.RUNNING: {E.RUN_STARTED: RunStatus.RUNNING, **_ENDS},
    RunStatus.COMPLETED: {},
    RunStatus.FAILED: {},
    RunStatus.CANCELLED: {E.RUN_CANCELLED: RunStatus.CANCELLED},
}
_ON: Final = {
    E.STEP_STARTED: StepStatus.RUNNING,
    E.STEP_COMPLETED: StepStatus.COMPLETED,
    E.STEP_FAILED: StepStatus.FAILED,
    E.STEP_RETRYING: StepStatus.PENDING,
}
STEPS: Final[Mapping[StepStatus, Mapping[EventType, StepStatus]]] = {
    StepStatus.PENDING: _ON,
    StepStatus.RUNNING: _ON,
    StepStatus.COMPLETED: {},
    StepStatus.FAILED: {},
    StepStatus.CANCELLED: {},
}
FINAL_RUN: Final = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})
FINAL_STEP: Final = frozenset({StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class Step:
    """What decides about a step. ``retry_after_ms`` is Unix time, 0 when it may be started at once."""

    status: StepStatus
    attempt: int = 0
    retry_after_ms: int = 0


def run_changed(run_id: str, status: RunStatus, event: EventType) -> RunStatus:
    """The status after ``event``. Raises ``RunExpiredError``, ``EntityConflictError``."""
    after = RUNS[status].get(event)
    if after is not None:
        return after
    if event is E.RUN_STARTED:
        raise faults.run_is_over(run_id, status)
    if event is E.RUN_CREATED:
        raise faults.EntityConflictError(
            "SR-WORLD-014", f'Workflow run "{run_id}" already exists', fix="use a new run id for a new run"
        )
    raise faults.cannot_transition(status)


def attributes_set(status: RunStatus) -> None:
    """Raise ``EntityConflictError`` for a run that has ended."""
    if status in FINAL_RUN:
        raise faults.EntityConflictError(
            "SR-WORLD-004", f'Cannot set attributes on run in terminal state "{status}"', fix="stop: the run has ended"
        )


def step_changed(
    run_id: str, run: RunStatus, name: str, step: Step | None, event: EventType, *, makes: bool, now_ms: int
) -> Step:
    """The step ``name`` after ``event``; ``makes`` where the event brings the input of a new one.

    The time of ``step_retrying`` is the caller's to add. Raises ``EntityConflictError``, ``NotFound``,
    ``RunExpiredError``, ``TooEarlyError``.
    """
    if makes:
        if run in FINAL_RUN:
            raise faults.cannot_create(run)
        if step is not None:
            raise faults.exists_already("Step", name, "SR-WORLD-006")
        return Step(StepStatus.RUNNING, 1) if event is E.STEP_STARTED else Step(StepStatus.PENDING)
    if step is None:
        raise faults.not_found("Step", name)
    after = STEPS[step.status].get(event)
    if after is None:
        raise faults.cannot_modify_step(step.status)
    if run in FINAL_RUN and step.status is not StepStatus.RUNNING:
        raise faults.run_is_over(run_id, run, "SR-WORLD-008")
    if event is not E.STEP_STARTED:
        return Step(after, step.attempt)
    if step.retry_after_ms > now_ms:
        raise faults.TooEarlyError(name, step.retry_after_ms - now_ms)
    return Step(after, step.attempt + 1)


def hook_created(run: RunStatus, name: str, *, is_there: bool, is_token_taken: bool) -> EventType:
    """``hook_created``, or ``hook_conflict`` where another hook has the token. Raises ``EntityConflictError``."""
    if run in FINAL_RUN:
        raise faults.cannot_create(run)
    if is_there:
        raise faults.exists_already("Hook", name)
    return E.HOOK_CONFLICT if is_token_taken else E.HOOK_CREATED


def hook_changed(run: RunStatus, name: str, *, is_open: bool) -> None:
    """Raise ``NotFound`` for a hook that is not there, or not any more; the end of its run disposes of it."""
    if not is_open or run in FINAL_RUN:
        raise faults.not_found("Hook", name)


def wait_created(run: RunStatus, name: str, *, is_there: bool) -> None:
    """Raise ``EntityConflictError`` for one that is there, and in a run that has ended."""
    if run in FINAL_RUN:
        raise faults.cannot_create(run)
    if is_there:
        raise faults.exists_already("Wait", name)


def wait_completed(run_id: str, run: RunStatus, name: str, *, is_there: bool, is_over: bool) -> None:
    """Raise ``NotFound``, ``EntityConflictError`` for one that is over, ``RunExpiredError``."""
    if not is_there:
        raise faults.not_found("Wait", name)
    if is_over:
        raise faults.EntityConflictError(
            "SR-WORLD-013", f'Wait "{name}" already completed', fix="go on behind the wait: it is over"
        )
    if run in FINAL_RUN:
        raise faults.run_is_over(run_id, run, "SR-WORLD-008")
