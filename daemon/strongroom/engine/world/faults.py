"""What the World contract refuses, by its own names and in its own words. Source: contracts, "run-encryption" 10.3.

The classes are those of ``errors.py`` under the names that programs of the contract know: what stands in the way is a
``Conflict``, a run that is over a ``WrongState``, what comes too soon is ``Unavailable`` for now.
"""

from typing import Final

from strongroom.errors import Conflict, InvalidInput, LimitExceeded, NotFound, Unavailable, WrongState

__all__ = [
    "EntityConflictError",
    "RunExpiredError",
    "TooEarlyError",
    "cannot_create",
    "cannot_modify_step",
    "cannot_transition",
    "exists_already",
    "invalid",
    "not_found",
    "run_is_over",
    "too_many",
]

SECOND_MS: Final = 1000
NOT_FOUND: Final = {"Step": "SR-WORLD-005", "Hook": "SR-WORLD-010", "Wait": "SR-WORLD-012", "Event": "SR-WORLD-030"}


class EntityConflictError(Conflict):
    """A run, step, hook or wait is there already, or past what was asked of it."""


class RunExpiredError(WrongState):
    """The run has ended: whoever executes it stops."""


class TooEarlyError(Unavailable):
    """A step is not to be started yet. ``retry_after`` are the seconds until then, rounded up."""

    def __init__(self, step_id: str, wait_ms: int) -> None:
        self.retry_after = -(-wait_ms // SECOND_MS)
        super().__init__(
            "SR-WORLD-009",
            f'Step "{step_id}" is not to be started for another {self.retry_after} s',
            fix="start it then",
            retry_after=self.retry_after,
            retry_ms=wait_ms,
        )


def not_found(kind: str, name: str, *, fix: str = "") -> NotFound:
    """No such step, hook, wait or event in the run."""
    return NotFound(NOT_FOUND[kind], f'{kind} "{name[:128]}" not found', fix=fix or "list those that the run has")


def exists_already(kind: str, name: str, code: str = "SR-WORLD-011") -> EntityConflictError:
    """Who comes second must not execute it."""
    return EntityConflictError(code, f'{kind} "{name[:128]}" already created', fix="leave it to whoever created it")


def cannot_create(status: str) -> EntityConflictError:
    """Nothing begins in a run that has ended."""
    return EntityConflictError(
        "SR-WORLD-003", f'Cannot create new entities on run in terminal state "{status}"', fix="stop: the run has ended"
    )


def cannot_transition(status: str) -> EntityConflictError:
    """A run ends once."""
    return EntityConflictError(
        "SR-WORLD-002", f'Cannot transition run from terminal state "{status}"', fix="stop: the run has ended"
    )


def cannot_modify_step(status: str) -> EntityConflictError:
    """A step ends once."""
    return EntityConflictError(
        "SR-WORLD-007", f'Cannot modify step in terminal state "{status}"', fix="go on behind the step: it has ended"
    )


def run_is_over(run_id: str, status: str, code: str = "SR-WORLD-001") -> RunExpiredError:
    """The run has ended."""
    return RunExpiredError(
        code, f'Workflow run "{run_id}" is already in terminal state "{status}"', fix="stop: the run has ended"
    )


def invalid(code: str, what: str, field: str, *, why: str = "", fix: str = "") -> InvalidInput:
    """A field of an event or of a question is wrong."""
    return InvalidInput(code, what, why=why, fix=fix or "correct the field", field=field)


def too_many(code: str, what: str, size: int, limit: int, setting: str) -> LimitExceeded:
    """More than a run, or a call, may have."""
    raised = f", or raise {setting}" if setting.startswith("limits.") else ""
    return LimitExceeded(
        code,
        f"{what}: {size}, more than {limit}",
        fix=f"ask for less{raised}",
        size=size,
        limit=limit,
        setting=setting,
    )
