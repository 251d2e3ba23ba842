"""Contents of a journal as JSON, for people who gave a reason to see them.

What a workflow asked of the vault and what it got stays hidden: a secret is shown to nobody, whatever the reason.
"""

import base64
import re
from collections.abc import Callable
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from strongroom.engine.event_types import (
    CANCEL_REQUESTED,
    CREATED,
    HOOK_CONFLICT,
    HOOK_CREATED,
    HOOK_DISPOSED,
    HOOK_RECEIVED,
    LOG_WRITTEN,
    RECEIPT_KEPT,
    RESTRICTIONS_SET,
    STEP_COMPLETED,
    STEP_CREATED,
    TIME_READ,
)
from strongroom.engine.lifecycle import RunEvent
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.pb.strongroom.world.v1.event_data_pb2 import EventData

__all__ = ["HIDDEN", "Opener", "asks_for_secrets"]

HIDDEN: Final = "***"
VAULT: Final = "vault"
Json = dict[str, Any]  # Any: JSON


class Opener:
    """Opens the events of one run, in their order: which step asked the vault is known from its first event."""

    def __init__(self, *, of_others: bool = False) -> None:
        """``of_others``: a run that others execute."""
        self._of_others = of_others
        self._of_vault: set[str] = set()

    def content(self, event_type: str, correlation_id: str, content: bytes) -> Json:
        """What an event says. Bytes that are no message of its type are given as base64."""
        reader = READERS.get(event_type, _bytes)
        if self._of_others and not event_type.startswith("hook_"):
            return _inner(EventData, content)
        try:
            if event_type == STEP_CREATED and _asks_vault(content):
                self._of_vault.add(correlation_id)
                return {"request": HIDDEN}
            if event_type == STEP_COMPLETED and correlation_id in self._of_vault:
                return {"response": HIDDEN}
            return reader(content)
        except DecodeError:
            return _bytes(content)


def _asks_vault(content: bytes) -> bool:
    request = journal_pb2.StepCreated.FromString(content).request
    # Rather too many than too few: an id that no registry would take is looked at in the same way.
    return re.split("[:@]", sdk_pb2.CapabilityRequest.FromString(request).id)[0].strip().lower() == VAULT


def asks_for_secrets(content: bytes) -> bool:
    """Whether a step, by its ``step_created``, is a fetch of secrets or asks the vault."""
    return bool(journal_pb2.StepCreated.FromString(content).secrets_request) or _asks_vault(content)


def _created(content: bytes) -> Json:
    created = journal_pb2.RunCreated.FromString(content)
    # The seed and the entropy are left out: they tell a reader nothing, and a guest may have made keys of them.
    shown: Json = {"trigger": _inner(sdk_pb2.Trigger, created.trigger)}
    if created.parent_run_id:
        shown["parent_run_id"] = created.parent_run_id
        shown["from_step"] = created.from_step
    return shown


def _step_created(content: bytes) -> Json:
    created = journal_pb2.StepCreated.FromString(content)
    if created.secrets_request:
        return {"secrets_request": HIDDEN}
    shown: Json = {"request": _inner(sdk_pb2.CapabilityRequest, created.request)}
    if created.request_digest:
        shown["request_digest"] = created.request_digest.hex()
    return shown


def _step_completed(content: bytes) -> Json:
    completed = journal_pb2.StepCompleted.FromString(content)
    shown: Json = {"attempts": completed.attempts}
    if completed.answered_by:
        shown["answered_by"] = completed.answered_by
    if completed.secrets_response or completed.secrets_error:
        return {"secrets_response": HIDDEN, **shown}
    return {"response": _inner(sdk_pb2.CapabilityResponse, completed.response), **shown}


def _completed(content: bytes) -> Json:
    return {"result": _inner(sdk_pb2.ExecutionResult, journal_pb2.RunCompleted.FromString(content).result)}


def _plain(kind: type[Message]) -> Callable[[bytes], Json]:
    return lambda content: _inner(kind, content)


def _inner(kind: type[Message], data: bytes) -> Json:
    """``data`` as a message of ``kind``; as base64 where that holds a message that is not compiled in."""
    try:
        return json_format.MessageToDict(kind.FromString(data), preserving_proto_field_name=True)
    except (DecodeError, json_format.Error, TypeError, ValueError, RecursionError):
        return _bytes(data)


def _bytes(data: bytes) -> Json:
    return {"base64": base64.b64encode(data).decode()}


READERS: Final[dict[str, Callable[[bytes], Json]]] = {
    CREATED: _created,
    STEP_CREATED: _step_created,
    STEP_COMPLETED: _step_completed,
    RESTRICTIONS_SET: _plain(journal_pb2.RestrictionsSet),
    RECEIPT_KEPT: _plain(journal_pb2.ReceiptKept),
    TIME_READ: _plain(journal_pb2.TimeRead),
    LOG_WRITTEN: _plain(journal_pb2.LogWritten),
    CANCEL_REQUESTED: _plain(journal_pb2.CancelRequested),
    HOOK_CREATED: _plain(journal_pb2.HookCreated),
    HOOK_RECEIVED: _plain(journal_pb2.HookReceived),
    HOOK_DISPOSED: _plain(journal_pb2.HookDisposed),
    HOOK_CONFLICT: _plain(journal_pb2.HookConflict),
    RunEvent.STARTED.value: lambda _content: {},
    RunEvent.SUSPENDED.value: _plain(journal_pb2.Suspended),
    RunEvent.COMPLETED.value: _completed,
    RunEvent.FAILED.value: _plain(journal_pb2.Failure),
    RunEvent.CANCELLED.value: _plain(journal_pb2.Failure),
    RunEvent.TIMED_OUT.value: _plain(journal_pb2.Failure),
}
