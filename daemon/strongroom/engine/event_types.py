"""The types of a journal's events that are no state of the run, and which field the content of each type is."""

from typing import Final

from strongroom.engine.lifecycle import RunEvent

__all__ = [
    "ATTR_SET",
    "CANCEL_REQUESTED",
    "CREATED",
    "FIELDS",
    "HOOK_CONFLICT",
    "HOOK_CREATED",
    "HOOK_DISPOSED",
    "HOOK_NEWS",
    "HOOK_RECEIVED",
    "LOG_WRITTEN",
    "MAY_WAIT",
    "OF_THE_GUEST",
    "RECEIPT_KEPT",
    "RESTRICTIONS_SET",
    "STEP_COMPLETED",
    "STEP_CREATED",
    "STEP_FAILED",
    "STEP_RETRYING",
    "STEP_STARTED",
    "TIME_READ",
    "WAIT_COMPLETED",
    "WAIT_CREATED",
]

CREATED: Final = "run_created"
RESTRICTIONS_SET: Final = "restrictions_set"
RECEIPT_KEPT: Final = "receipt_kept"
STEP_CREATED: Final = "step_created"
STEP_COMPLETED: Final = "step_completed"
TIME_READ: Final = "time_read"
LOG_WRITTEN: Final = "log_written"
CANCEL_REQUESTED: Final = "cancel_requested"
HOOK_CREATED: Final = "hook_created"
HOOK_RECEIVED: Final = "hook_received"
HOOK_DISPOSED: Final = "hook_disposed"
HOOK_CONFLICT: Final = "hook_conflict"
STEP_STARTED: Final = "step_started"
STEP_FAILED: Final = "step_failed"
STEP_RETRYING: Final = "step_retrying"
ATTR_SET: Final = "attr_set"
WAIT_CREATED: Final = "wait_created"
WAIT_COMPLETED: Final = "wait_completed"
FIELDS: Final[dict[str, str]] = {
    CREATED: "input",
    RunEvent.STARTED: "",
    RunEvent.SUSPENDED: "waits",
    RunEvent.COMPLETED: "output",
    RunEvent.FAILED: "error",
    RunEvent.CANCELLED: "error",
    RunEvent.TIMED_OUT: "error",
    RESTRICTIONS_SET: "restrictions",
    RECEIPT_KEPT: "receipt",
    STEP_CREATED: "input",
    STEP_COMPLETED: "result",
    TIME_READ: "time",
    LOG_WRITTEN: "lines",
    CANCEL_REQUESTED: "reason",
    HOOK_CREATED: "hook",
    HOOK_RECEIVED: "payload",
    HOOK_DISPOSED: "hook",
    HOOK_CONFLICT: "hook",
    # Runs that others execute have these as well.
    STEP_STARTED: "input",
    STEP_FAILED: "error",
    STEP_RETRYING: "error",
    ATTR_SET: "changes",
    WAIT_CREATED: "wait",
    WAIT_COMPLETED: "wait",
}
"""Which field the sealed content of an event is; part of its associated data."""

MAY_WAIT: Final = frozenset({TIME_READ, LOG_WRITTEN})
"""What is appended without anybody waiting for the disk, and must not be missing before the end of a run."""
OF_THE_GUEST: Final = frozenset(
    {STEP_CREATED, STEP_COMPLETED, TIME_READ, LOG_WRITTEN, RECEIPT_KEPT, HOOK_CREATED, HOOK_CONFLICT}
)
"""What a guest makes its host write, as much as it likes."""
HOOK_NEWS: Final = frozenset({HOOK_RECEIVED, HOOK_DISPOSED})
"""What a run may wait for that comes from outside: it has limits of its own, and is not its guest's doing."""
