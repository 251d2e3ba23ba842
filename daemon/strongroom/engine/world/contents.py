"""What stands inside the seal of an event, and back: for runs of others, and for runs of this host as others see them.

Events of hooks have the form that they have in every run, so whatever reads hooks reads these too; the rest of what
their clients said stands beside it. What a guest asked of the vault is shown to nobody.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError

from strongroom.engine import event_types as types
from strongroom.engine.external import is_external
from strongroom.engine.journal import JournalEvent
from strongroom.engine.lifecycle import RunEvent
from strongroom.engine.opened import asks_for_secrets
from strongroom.engine.world.rules import EventType
from strongroom.errors import Tampered
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.pb.strongroom.world.v1.event_data_pb2 import EventData
from strongroom.storage.runs import EventRow, RunRow

__all__ = ["OF_VAULT", "ReadEvent", "content_of", "read_event"]

OF_VAULT: Final = "secrets"
"""The name of a step that asks the vault."""


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """An event that opened. ``kind`` and ``data`` are in the words of the contract."""

    row: EventRow
    kind: EventType
    data: EventData = field(repr=False)


def content_of(kind: EventType, data: EventData) -> bytes:
    """What is sealed of an event of a run that others execute."""
    rest = EventData()
    rest.CopyFrom(data)
    if kind is EventType.HOOK_CREATED:
        created = journal_pb2.HookCreated(token=data.token, metadata=data.metadata)
        rest.ClearField("token")
        if rest.HasField("metadata"):
            # That it was there is kept, what it was stands outside.
            rest.metadata = b""
        created.world.CopyFrom(rest)
        return created.SerializeToString()
    if kind is EventType.HOOK_RECEIVED:
        received = journal_pb2.HookReceived(payload=data.payload)
        rest.ClearField("payload")
        received.world.CopyFrom(rest)
        return received.SerializeToString()
    if kind is EventType.HOOK_DISPOSED:
        return journal_pb2.HookDisposed(world=rest).SerializeToString()
    if kind is EventType.HOOK_CONFLICT:
        rest.ClearField("token")
        rest.ClearField("conflicting_run_id")
        return journal_pb2.HookConflict(
            token=data.token, conflicting_run_id=data.conflicting_run_id, world=rest
        ).SerializeToString()
    return data.SerializeToString(deterministic=True)


def read_event(header: RunRow, event: JournalEvent) -> ReadEvent:
    """``event`` of the run of ``header``, in the words of the contract. Raises ``Tampered``."""
    if event.content is None:
        raise Tampered(f"journal of run {header.run_id}", run_id=header.run_id)
    kind = event.row.event_type
    try:
        if kind in _HOOKS:
            return ReadEvent(event.row, EventType(kind), _HOOKS[kind](event.content))
        if is_external(header):
            return ReadEvent(event.row, EventType(kind), EventData.FromString(event.content))
        world_kind, reader = _GUESTS.get(kind, (EventType.NOOP, _nothing))
        return ReadEvent(event.row, world_kind, reader(event.content))
    except (DecodeError, ValueError):
        # Authentic, and yet not what anything here writes.
        raise Tampered(f"journal of run {header.run_id}", run_id=header.run_id) from None


def _hook_created(content: bytes) -> EventData:
    created = journal_pb2.HookCreated.FromString(content)
    data, of_guest = created.world, not created.HasField("world")
    if of_guest or data.HasField("metadata"):
        data.metadata = created.metadata
    data.token = created.token
    return data


def _hook_received(content: bytes) -> EventData:
    received = journal_pb2.HookReceived.FromString(content)
    received.world.payload = received.payload
    return received.world


def _hook_disposed(content: bytes) -> EventData:
    return journal_pb2.HookDisposed.FromString(content).world


def _hook_conflict(content: bytes) -> EventData:
    conflict = journal_pb2.HookConflict.FromString(content)
    data = conflict.world
    data.token, data.conflicting_run_id = conflict.token, conflict.conflicting_run_id
    return data


def _nothing(_content: bytes) -> EventData:
    return EventData()


def _created(content: bytes) -> EventData:
    return EventData(input=journal_pb2.RunCreated.FromString(content).trigger)


def _completed(content: bytes) -> EventData:
    return EventData(output=journal_pb2.RunCompleted.FromString(content).result)


def _failed(content: bytes) -> EventData:
    failure = journal_pb2.Failure.FromString(content)
    return EventData(error=failure.error.encode(), error_code=failure.code)


def _cancelled(content: bytes) -> EventData:
    return EventData(cancel_reason=journal_pb2.Failure.FromString(content).error)


def _step_created(content: bytes) -> EventData:
    if asks_for_secrets(content):
        return EventData(step_name=OF_VAULT)
    created = journal_pb2.StepCreated.FromString(content)
    request = sdk_pb2.CapabilityRequest.FromString(created.request)
    return EventData(step_name=f"{request.id}.{request.method}", input=created.request)


def _step_completed(content: bytes) -> EventData:
    completed = journal_pb2.StepCompleted.FromString(content)
    data = EventData(attempt=completed.attempts)
    if not completed.secrets_response and not completed.secrets_error:
        data.result = completed.response
    return data


_HOOKS: Final[Mapping[str, Callable[[bytes], EventData]]] = {
    types.HOOK_CREATED: _hook_created,
    types.HOOK_RECEIVED: _hook_received,
    types.HOOK_DISPOSED: _hook_disposed,
    types.HOOK_CONFLICT: _hook_conflict,
}
_GUESTS: Final[Mapping[str, tuple[EventType, Callable[[bytes], EventData]]]] = {
    types.CREATED: (EventType.RUN_CREATED, _created),
    RunEvent.STARTED.value: (EventType.RUN_STARTED, _nothing),
    RunEvent.COMPLETED.value: (EventType.RUN_COMPLETED, _completed),
    RunEvent.FAILED.value: (EventType.RUN_FAILED, _failed),
    RunEvent.TIMED_OUT.value: (EventType.RUN_FAILED, _failed),
    RunEvent.CANCELLED.value: (EventType.RUN_CANCELLED, _cancelled),
    types.STEP_CREATED: (EventType.STEP_CREATED, _step_created),
    types.STEP_COMPLETED: (EventType.STEP_COMPLETED, _step_completed),
}
