"""Hooks of a run that repeats another one up to a step: what its steps before that made exists anew.

The recorded answers name the old ids and tokens, and others may have been told the tokens. So the new hooks have the
old tokens, and go by the old ids with their guest; everybody else knows them by ids of their own.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from strongroom.engine.event_types import HOOK_CREATED, HOOK_DISPOSED, STEP_COMPLETED
from strongroom.engine.hook_rows import new_hook_id
from strongroom.engine.journal import JournalEvent, Journals
from strongroom.errors import WrongState
from strongroom.pb.strongroom.journal.v1 import journal_pb2

__all__ = ["hooks_again"]


def hooks_again(
    journals: Journals, events: Sequence[JournalEvent], kept: Sequence[JournalEvent]
) -> Iterator[JournalEvent]:
    """Events of the hooks that the ``kept`` steps of ``events`` made. Raises ``WrongState`` where a token is taken."""
    steps = {event.row.correlation_id for event in kept if event.row.event_type == STEP_COMPLETED}
    taken = _taken_by(kept)
    gone = _disposed_by(events, steps)
    for event in events:
        if event.row.event_type != HOOK_CREATED:
            continue
        created = journal_pb2.HookCreated.FromString(event.content or b"")
        if created.step not in steps:
            continue
        old_id, new_id = event.row.correlation_id, new_hook_id()
        created.known_as = created.known_as or old_id
        created.answered[:] = sorted(taken.get(created.known_as, ()))
        yield _renamed(event, new_id, created.SerializeToString())
        if (disposed := gone.get(old_id)) is not None:
            yield _renamed(disposed, new_id, disposed.content or b"")
        else:
            _check_free(journals, created.token)


def _taken_by(kept: Sequence[JournalEvent]) -> dict[str, set[int]]:
    """The numbers of the payloads that kept steps took, by the id that the guest knows their hook by."""
    taken: dict[str, set[int]] = {}
    for event in kept:
        if event.row.event_type == STEP_COMPLETED:
            hook = journal_pb2.StepCompleted.FromString(event.content or b"").hook
            if hook.number:
                taken.setdefault(hook.hook_id, set()).add(hook.number)
    return taken


def _disposed_by(events: Sequence[JournalEvent], steps: Collection[str]) -> dict[str, JournalEvent]:
    """The events of hooks that kept steps disposed of."""
    return {
        event.row.correlation_id: event
        for event in events
        if event.row.event_type == HOOK_DISPOSED
        and journal_pb2.HookDisposed.FromString(event.content or b"").step in steps
    }


def _renamed(event: JournalEvent, hook_id: str, content: bytes) -> JournalEvent:
    return replace(event, row=replace(event.row, correlation_id=hook_id), content=content)


def _check_free(journals: Journals, token: str) -> None:
    holder = journals.database.read(lambda connection: journals.hook_rows.find(connection, token))
    if holder is not None:
        raise WrongState(
            "SR-HOOK-023",
            f"the token of a hook that the steps before made belongs to run {holder.run_id} now",
            why="the repeated run answers to the same token, and a token stands for one hook at a time",
            fix="dispose of that hook, or repeat the run from its start: leave the step out",
            hook_id=holder.hook_id,
            run_id=holder.run_id,
        )
