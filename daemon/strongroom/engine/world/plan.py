"""What drafts come to in the journal of one run: each is tried against the rules, behind the ones before it.

Nothing is written here. A plan is thrown away when the journal is another one by the time that it is stored.
"""

from collections.abc import Callable
from typing import Any, Final

from strongroom.engine.hook_rows import HookRows
from strongroom.engine.journal import Event
from strongroom.engine.limits import EngineLimits
from strongroom.engine.world import rules
from strongroom.engine.world.contents import ReadEvent, content_of
from strongroom.engine.world.drafts import CREATION, Draft, check_attributes_room
from strongroom.engine.world.faults import invalid, too_many
from strongroom.engine.world.ledger import HookChange
from strongroom.engine.world.rules import FINAL_RUN, EventType, RunStatus
from strongroom.engine.world.views import Book, token_digest
from strongroom.pb.strongroom.world.v1.event_data_pb2 import EventData
from strongroom.storage.hooks import HookRow
from strongroom.storage.runs import EventRow, RunRow

__all__ = ["Holder", "Plan"]

E = EventType
OVERHEAD_BYTES: Final = 64
"""What sealing and its row add to an event, rounded up: empty events are not free."""
Holder = Callable[[str], HookRow | None]
"""Finds the hook that has a token."""


class Plan:
    """Events that are to be appended to one run."""

    def __init__(self, header: RunRow, book: Book, limits: EngineLimits, hook_rows: HookRows, holder: Holder) -> None:
        """``book`` is the plan's own, and moves on with each event."""
        self._header = header
        self._book = book
        self._limits = limits
        self._hook_rows = hook_rows
        self._holder = holder
        self._bytes = book.sealed_bytes
        self._tokens: dict[str, str] = {}
        self.events: list[Event] = []
        self.indexes: list[int] = []
        """For each draft, where its event stands: its own, or the one that said the same before."""
        self.hooks: list[HookChange] = []
        self.ended_at = 0

    def add(self, draft: Draft, at_ms: int) -> None:
        """Try ``draft`` at ``at_ms`` (Unix time). Raises what ``rules`` raises, and ``LimitExceeded``."""
        count = len(self.events)
        self._add(draft, at_ms)
        is_new = len(self.events) > count
        self.indexes.append(self._book.next_index - 1 if is_new else self._book.run.end_index)

    def _add(self, draft: Draft, at_ms: int) -> None:
        kind, name, data = draft.kind, draft.correlation_id, draft.data
        book, run = self._book, self._book.run
        if kind is E.RUN_CREATED or kind in rules.RUN_EVENTS:
            self._add_run(kind, data, at_ms)
            return
        if kind is E.ATTR_SET:
            rules.attributes_set(run.status)
        elif kind is E.STEP_CREATED or kind in rules.STEP_EVENTS:
            self._check_step(kind, name, data, at_ms)
        elif kind is E.HOOK_CREATED:
            kind, data = self._hook(name, data, at_ms)
        elif kind in rules.HOOK_EVENTS:
            rules.hook_changed(run.status, name, is_open=book.is_open(name))
            self._check_token(name, data.token)
            if kind is E.HOOK_DISPOSED:
                self._dispose(name)
        elif kind is E.WAIT_CREATED:
            rules.wait_created(run.status, name, is_there=name in book.waits)
            self._check_count("waits", len(book.waits))
        else:
            wait = book.waits.get(name)
            is_over = wait is not None and wait.ended_at > 0
            rules.wait_completed(run.run_id, run.status, name, is_there=wait is not None, is_over=is_over)
        self._take(kind, name, data, at_ms)
        if kind is E.ATTR_SET:
            check_attributes_room(self._book.run.attributes)

    def changes(self) -> dict[str, Any]:  # Any: header columns
        """What the header says after the events, where that is something else."""
        run, before = self._book.run, self._header
        after = {
            "status": run.status.value,
            "started_at": before.started_at or run.started_at,
            "finished_at": before.finished_at or run.ended_at,
            "error_code": run.error_code,
        }
        return {name: value for name, value in after.items() if value != getattr(before, name)}

    def _add_run(self, kind: EventType, data: EventData, at_ms: int) -> None:
        run = self._book.run
        if self._book.next_index == 0:
            made = EventData()
            made.CopyFrom(data)
            self._take(E.RUN_CREATED, "", made, at_ms)
            if kind is E.RUN_CREATED:
                return
            # What the run was made of is in its first event.
            rest = EventData()
            rest.CopyFrom(data)
            for field in CREATION:
                rest.ClearField(field)  # type: ignore[arg-type]  # one of its own names
            data = rest
        after = rules.run_changed(run.run_id, run.status, kind)
        if run.status is RunStatus.CANCELLED:
            # Once more changes nothing, so there is nothing to write down.
            return
        self._take(kind, "", data, at_ms)
        if after in FINAL_RUN:
            self.ended_at = at_ms
            self._tokens.clear()

    def _check_step(self, kind: EventType, name: str, data: EventData, at_ms: int) -> None:
        step = self._book.steps.get(name)
        makes = kind is E.STEP_CREATED or (kind is E.STEP_STARTED and data.HasField("input"))
        state = step.state if step is not None else None
        run = self._book.run
        rules.step_changed(run.run_id, run.status, name, state, kind, makes=makes, now_ms=at_ms)
        if makes:
            self._check_count("steps", len(self._book.steps))

    def _hook(self, name: str, data: EventData, at_ms: int) -> tuple[EventType, EventData]:
        """The hook, or the conflict that stands for it."""
        book = self._book
        holder = self._holder_of(data.token)
        kind = rules.hook_created(book.run.status, name, is_there=name in book.hooks, is_token_taken=holder is not None)
        if holder is not None:
            return kind, EventData(token=data.token, conflicting_run_id=holder, spec_version=data.spec_version)
        self._check_count("hooks", len(book.hooks), "hooks_per_run_max")
        row = self._hook_rows.made(name, self._header, data.token, at_ms)
        self.hooks.append(HookChange(name, row, data.token))
        self._tokens[name] = data.token
        return kind, data

    def _holder_of(self, token: str) -> str | None:
        """The run that has the token, once the events before are stored."""
        if token in self._tokens.values():
            return self._header.run_id
        row = self._holder(token)
        # One of this run that an event before disposes of has it no more.
        if row is None or (row.run_id == self._header.run_id and not self._book.is_open(row.hook_id)):
            return None
        return row.run_id

    def _dispose(self, name: str) -> None:
        self.hooks.append(HookChange(name))
        self._tokens.pop(name, None)

    def _check_token(self, name: str, token: str) -> None:
        if token and token_digest(token) != self._book.hooks[name].digest:
            raise invalid(
                "SR-WORLD-037",
                f'data.token is not that of hook "{name}"',
                "data.token",
                fix="leave it out, or name the hook that has it",
            )

    def _check_count(self, what: str, count: int, setting: str = "steps_max") -> None:
        limit: int = getattr(self._limits, setting)
        if count >= limit:
            raise too_many("SR-WORLD-025", f"{what} of the run", count + 1, limit, f"limits.{setting}")

    def _take(self, kind: EventType, name: str, data: EventData, at_ms: int) -> None:
        content = content_of(kind, data)
        self._bytes += len(content) + OVERHEAD_BYTES
        # A run that is full can still end.
        limit = self._limits.journal_bytes_max
        if self._bytes > limit and kind not in (E.RUN_COMPLETED, E.RUN_FAILED, E.RUN_CANCELLED):
            raise too_many("SR-WORLD-026", "bytes of the journal", self._bytes, limit, "limits.journal_bytes_max")
        self.events.append((kind.value, name, content))
        row = EventRow(
            run_id=self._header.run_id,
            index=self._book.next_index,
            event_type=kind.value,
            correlation_id=name,
            created_at=at_ms,
            sealed=b"",
        )
        self._book.take(ReadEvent(row, kind, data))
