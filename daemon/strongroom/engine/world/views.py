"""Runs, steps, hooks and waits as their events make them. Nothing writes a view: each event that is read moves it on.

Rule 1: a view holds states, names and times, and says at which event its contents stand; those stay in the journal.
Rule 2: a view that was handed out never changes; the book has another one after the next event.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from strongroom.engine.world.contents import OF_VAULT, ReadEvent
from strongroom.engine.world.rules import FINAL_RUN, EventType, RunStatus, Step, StepStatus

__all__ = ["Book", "HookView", "RunView", "StepView", "WaitView", "token_digest"]

E = EventType
RUN_STATUS: Final[Mapping[EventType, RunStatus]] = {
    E.RUN_STARTED: RunStatus.RUNNING,
    E.RUN_COMPLETED: RunStatus.COMPLETED,
    E.RUN_FAILED: RunStatus.FAILED,
    E.RUN_CANCELLED: RunStatus.CANCELLED,
}
STEP_STATUS: Final[Mapping[EventType, StepStatus]] = {
    E.STEP_COMPLETED: StepStatus.COMPLETED,
    E.STEP_FAILED: StepStatus.FAILED,
    E.STEP_RETRYING: StepStatus.PENDING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run. Times are Unix milliseconds, 0 = not yet; ``end_index`` is its end's event, -1 = none.

    ``attributes`` are as the last event left them.
    """

    run_id: str
    status: RunStatus = RunStatus.PENDING
    deployment_id: str = ""
    workflow_name: str = ""
    encryption_public_key: str = ""
    spec_version: int = 0
    error_code: str = ""
    created_at: int = 0
    started_at: int = 0
    ended_at: int = 0
    updated_at: int = 0
    end_index: int = -1
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """A step. ``input_index``, ``result_index`` and ``error_index`` are the events with its contents, -1 = none."""

    step_id: str
    step_name: str
    state: Step
    created_at: int
    updated_at: int
    started_at: int = 0
    ended_at: int = 0
    input_index: int = -1
    result_index: int = -1
    error_index: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class HookView:
    """A hook. Its token and metadata stand at ``created_index``."""

    hook_id: str
    created_at: int
    created_index: int
    digest: bytes
    is_webhook: bool = False
    is_system: bool = False
    received: int = 0
    is_disposed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitView:
    """A wait. ``ended_at`` is 0 while it goes on."""

    wait_id: str
    resume_at: int
    created_at: int
    ended_at: int = 0


@dataclass(slots=True)
class Book:
    """The views of one run. ``next_index`` is the first event that it does not know; ``tag`` that of the last it does.

    ``is_external`` is false for a run that this host executes, whose steps are started when they are created.
    """

    run: RunView
    is_external: bool = True
    steps: dict[str, StepView] = field(default_factory=dict)
    hooks: dict[str, HookView] = field(default_factory=dict)
    waits: dict[str, WaitView] = field(default_factory=dict)
    next_index: int = 0
    tag: bytes = b""
    sealed_bytes: int = 0

    def copied(self) -> "Book":
        """A book of its own, to try events in."""
        return replace(self, steps=dict(self.steps), hooks=dict(self.hooks), waits=dict(self.waits))

    @property
    def weight(self) -> int:
        """Views in memory."""
        return 1 + len(self.steps) + len(self.hooks) + len(self.waits)

    def is_open(self, hook_id: str) -> bool:
        """Whether the hook is there and takes payloads."""
        hook = self.hooks.get(hook_id)
        return hook is not None and not hook.is_disposed

    def take(self, event: ReadEvent) -> None:
        """Take in the event that follows."""
        kind = event.kind
        if kind.startswith("run_") or kind is E.ATTR_SET:
            self._take_run(event)
        elif kind.startswith("step_"):
            self._take_step(event)
        elif kind.startswith("hook_"):
            self._take_hook(event)
        elif kind.startswith("wait_"):
            self._take_wait(event)
        self.run = replace(self.run, updated_at=event.row.created_at)
        self.next_index = event.row.index + 1
        self.sealed_bytes += len(event.row.sealed)

    def _take_run(self, event: ReadEvent) -> None:
        at, data, run = event.row.created_at, event.data, self.run
        match event.kind:
            case E.RUN_CREATED:
                self.run = replace(
                    run,
                    deployment_id=data.deployment_id,
                    workflow_name=data.workflow_name or run.workflow_name,
                    encryption_public_key=data.encryption_public_key,
                    spec_version=data.spec_version,
                    created_at=at,
                    attributes=dict(data.attributes),
                )
            case E.ATTR_SET:
                attributes = dict(run.attributes)
                for change in data.changes:
                    attributes.pop(change.key, None)
                    if change.HasField("value"):
                        attributes[change.key] = change.value
                self.run = replace(run, attributes=attributes)
            case E.RUN_STARTED:
                self.run = replace(run, status=RunStatus.RUNNING, started_at=run.started_at or at)
            case kind if run.status not in FINAL_RUN:
                self.run = replace(
                    run,
                    status=RUN_STATUS[kind],
                    ended_at=at,
                    end_index=event.row.index,
                    error_code=data.error_code if kind is E.RUN_FAILED else "",
                )
                # The end of a run disposes of its hooks, and needs no event for each.
                self.hooks = {name: replace(hook, is_disposed=True) for name, hook in self.hooks.items()}

    def _take_step(self, event: ReadEvent) -> None:
        at, index, data, name = event.row.created_at, event.row.index, event.data, event.row.correlation_id
        step = self.steps.get(name)
        if step is None:
            is_started = event.kind is E.STEP_STARTED or not self.is_external
            has_input = data.HasField("input")
            self.steps[name] = StepView(
                step_id=name,
                step_name=data.step_name,
                state=Step(StepStatus.RUNNING, 1) if is_started else Step(StepStatus.PENDING),
                created_at=at,
                updated_at=at,
                started_at=at if is_started else 0,
                input_index=index if has_input else -1,
            )
            return
        state = step.state
        if event.kind is E.STEP_STARTED:
            step = replace(
                step, state=Step(StepStatus.RUNNING, state.attempt + 1), started_at=step.started_at or at, updated_at=at
            )
            self.steps[name] = step
            return
        # How often a guest's call was sent stands beside its answer.
        attempt = state.attempt if self.is_external else data.attempt or state.attempt
        retry_after_ms = data.retry_after_unix_ms if event.kind is E.STEP_RETRYING else 0
        hides = step.step_name == OF_VAULT and not self.is_external
        self.steps[name] = replace(
            step,
            state=Step(STEP_STATUS[event.kind], attempt, retry_after_ms),
            updated_at=at,
            ended_at=0 if event.kind is E.STEP_RETRYING else at,
            result_index=index if data.HasField("result") and not hides else step.result_index,
            error_index=index if data.HasField("error") else step.error_index,
        )

    def _take_hook(self, event: ReadEvent) -> None:
        name, data = event.row.correlation_id, event.data
        match event.kind:
            case E.HOOK_CREATED:
                self.hooks[name] = HookView(
                    hook_id=name,
                    created_at=event.row.created_at,
                    created_index=event.row.index,
                    digest=token_digest(data.token),
                    is_webhook=data.is_webhook,
                    is_system=data.is_system,
                )
            case E.HOOK_RECEIVED:
                self.hooks[name] = replace(self.hooks[name], received=self.hooks[name].received + 1)
            case E.HOOK_DISPOSED:
                self.hooks[name] = replace(self.hooks[name], is_disposed=True)

    def _take_wait(self, event: ReadEvent) -> None:
        at, name, data = event.row.created_at, event.row.correlation_id, event.data
        if event.kind is E.WAIT_CREATED:
            self.waits[name] = WaitView(wait_id=name, resume_at=data.resume_at_unix_ms, created_at=at)
        else:
            self.waits[name] = replace(self.waits[name], ended_at=at)


def token_digest(token: str) -> bytes:
    """What equal tokens have in common, in little room."""
    return hashlib.sha256(token.encode()).digest()[:16]
