"""The life of a run, as a table.

Rule 1: every way it changes state is a row here.
Rule 2: nothing here does I/O; callers act on the state they get back.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from strongroom.errors import WrongState

__all__ = ["ANY_TIME_MS", "FINAL", "NO_SUCH_WAY", "TRANSITIONS", "RunEvent", "RunState", "step"]

NO_SUCH_WAY: Final = "SR-RUN-003"
"""The code of what cannot happen to a run in its state."""
ANY_TIME_MS: Final = 253_402_300_799_000
"""The end of the year 9999: when a run wakes that waits for payloads, unless one comes or its time is up before."""


class RunState(StrEnum):
    """Where a run is."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


class RunEvent(StrEnum):
    """What can happen to a run; the words are the event types of its journal."""

    STARTED = "run_started"
    SUSPENDED = "run_suspended"
    COMPLETED = "run_completed"
    FAILED = "run_failed"
    CANCELLED = "run_cancelled"
    TIMED_OUT = "run_timed_out"


_ENDS: Final = {
    RunEvent.FAILED: RunState.FAILED,
    RunEvent.CANCELLED: RunState.CANCELLED,
    RunEvent.TIMED_OUT: RunState.TIMED_OUT,
}

TRANSITIONS: Final[Mapping[RunState, Mapping[RunEvent, RunState]]] = {
    RunState.PENDING: {RunEvent.STARTED: RunState.RUNNING, **_ENDS},
    # A run that was cut off starts again from its journal.
    RunState.RUNNING: {
        RunEvent.STARTED: RunState.RUNNING,
        RunEvent.SUSPENDED: RunState.WAITING,
        RunEvent.COMPLETED: RunState.COMPLETED,
        **_ENDS,
    },
    RunState.WAITING: {RunEvent.STARTED: RunState.RUNNING, **_ENDS},
    RunState.COMPLETED: {},
    RunState.FAILED: {},
    RunState.CANCELLED: {},
    RunState.TIMED_OUT: {},
}

FINAL: Final = frozenset(state for state, row in TRANSITIONS.items() if not row)
"""States that a run never leaves."""


def step(state: RunState, event: RunEvent) -> RunState:
    """The state after ``event``. Raises ``WrongState`` if the table has no such row."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise WrongState(
            "SR-RUN-003",
            f"{event} cannot happen to a {state} run",
            fix="look at the run's events: strongroom run events RUN",
            state=state.value,
            event=event.value,
        ) from None
