"""What the journal of one run says of its hooks, without their payloads: those stay there until they are taken.

A payload has a number: the first that comes to a hook is 1. Where a run repeats another one up to a step, the payloads
that its steps took then have their numbers already, and the next one that comes gets the lowest number that is free.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from strongroom.engine.calls import Later
from strongroom.engine.event_types import (
    HOOK_CONFLICT,
    HOOK_CREATED,
    HOOK_DISPOSED,
    HOOK_RECEIVED,
    STEP_COMPLETED,
)
from strongroom.engine.journal import JournalEvent
from strongroom.engine.lifecycle import RunEvent
from strongroom.pb.strongroom.journal.v1 import journal_pb2

__all__ = ["ALL", "BookedHook", "HookBook", "digest_of"]

ALL: Final = 2**63 - 1
"""More payloads than ever come: a hook that was disposed of keeps nobody waiting."""


@dataclass(slots=True)
class BookedHook:
    """One hook. ``sealed_bytes`` is the size of its token and metadata, sealed; ``payloads`` are the indexes of their
    events; ``requests`` say which number and content a request had.

    ``answered`` are the numbers that the run which this one repeats had taken, ``taken`` counts those taken since.
    """

    hook_id: str
    created_index: int
    sealed_bytes: int
    answered: frozenset[int] = frozenset()
    payloads: list[int] = field(default_factory=list)
    requests: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    taken: int = 0
    is_disposed: bool = False

    @property
    def unread(self) -> int:
        """Payloads that came and were not taken yet."""
        return len(self.payloads) - self.taken

    def number_at(self, position: int) -> int:
        """The number of the payload that came at ``position``, counted from 0."""
        number = position + 1
        for other in sorted(self.answered):
            number += other <= number
        return number

    def index_of(self, number: int) -> int | None:
        """The index of the event with payload ``number``, if that has come."""
        position = number - 1 - sum(other < number for other in self.answered)
        is_here = number not in self.answered and 0 <= position < len(self.payloads)
        return self.payloads[position] if is_here else None

    @property
    def come(self) -> int:
        """Whoever waits for a payload up to this number waits no longer."""
        if self.is_disposed:
            return ALL
        return self.number_at(len(self.payloads) - 1) if self.payloads else 0


@dataclass(slots=True)
class HookBook:
    """The hooks of one run. ``next_index`` is the first event that it does not know; ``tag`` that of the last it does.

    ``waits`` are the payloads that a suspended run waits for. ``made`` finds a hook, or the run that has the token, by
    the step that asked for it.
    """

    hooks: dict[str, BookedHook] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    waits: tuple[Later, ...] = ()
    payload_bytes: int = 0
    next_index: int = 0
    tag: bytes = b""
    _known_as: dict[str, str] = field(default_factory=dict)

    def get(self, hook_id: str) -> BookedHook | None:
        """The hook that goes by this id, with its guest or with everybody."""
        return self.hooks.get(self._known_as.get(hook_id, hook_id))

    @property
    def is_over(self) -> bool:
        """Whether a suspended run waits for payloads, and all of them are here."""
        return bool(self.waits) and all(self._has_come(later) for later in self.waits)

    def _has_come(self, later: Later) -> bool:
        hook = self.hooks.get(later.hook_id)
        return hook is not None and hook.come >= later.number

    def read(self, events: Iterable[JournalEvent]) -> None:
        """Take in the events that follow, each authentic."""
        for event in events:
            self._take(event)
            self.next_index = event.row.index + 1

    def _take(self, event: JournalEvent) -> None:
        content, name = event.content or b"", event.row.correlation_id
        match event.row.event_type:
            case kind if kind == HOOK_CREATED:
                created = journal_pb2.HookCreated.FromString(content)
                self.hooks[name] = BookedHook(name, event.row.index, len(event.row.sealed), frozenset(created.answered))
                self.made[created.step] = name
                self._known_as[created.known_as or name] = name
            case kind if kind == HOOK_RECEIVED:
                received = journal_pb2.HookReceived.FromString(content)
                hook = self.hooks[name]
                hook.payloads.append(event.row.index)
                number = hook.number_at(len(hook.payloads) - 1)
                hook.requests[digest_of(received.request_id.encode())] = number, digest_of(received.payload)
                self.payload_bytes += len(received.payload)
            case kind if kind == HOOK_DISPOSED:
                self.hooks[name].is_disposed = True
            case kind if kind == HOOK_CONFLICT:
                conflict = journal_pb2.HookConflict.FromString(content)
                self.refused[conflict.step] = conflict.conflicting_run_id
            case kind if kind == STEP_COMPLETED:
                taken = journal_pb2.StepCompleted.FromString(content).hook
                of = self.get(taken.hook_id)
                if of is not None and taken.number not in of.answered:
                    of.taken += 1
            case kind if kind == RunEvent.SUSPENDED:
                waits = journal_pb2.Suspended.FromString(content).hooks
                self.waits = tuple(Later(each.hook_id, each.number) for each in waits)
            case kind if kind == RunEvent.STARTED:
                self.waits = ()


def digest_of(data: bytes) -> bytes:
    """What equal bytes have in common, in little room."""
    return hashlib.sha256(data).digest()[:16]
