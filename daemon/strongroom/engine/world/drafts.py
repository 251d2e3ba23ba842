"""Events as clients hand them in, and what each type asks of them. Source: contracts, "run-encryption" 10.2.

What is refused here never comes near a journal; what belongs to no event of its type is refused, not dropped.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from strongroom.crypto.encp import SealTarget
from strongroom.engine.hook_limits import check_metadata, check_payload, check_token
from strongroom.engine.lifecycle import ANY_TIME_MS
from strongroom.engine.limits import EngineLimits
from strongroom.engine.world.faults import invalid, too_many
from strongroom.engine.world.rules import MADE_HERE, EventType
from strongroom.errors import InvalidInput, StrongroomError
from strongroom.pb.strongroom.world.v1.event_data_pb2 import EventData

__all__ = ["CREATION", "SPEC_VERSION", "Draft", "attributes_bytes", "check_attributes_room", "checked"]

SPEC_VERSION: Final = 7
"""The contract that this host speaks; a client that speaks a later one may mean what nobody here knows."""
NAME_CHARS_MAX: Final = 256
"""Names are read by people; those of workflows stand in the clear."""
REASON_CHARS_MAX: Final = 512
"""The contract's own limit of a reason to cancel."""
CODE_CHARS_MAX: Final = 128
"""A code is a word; it stands in the clear."""
KEY_CHARS_MAX: Final = 64
"""A key of 32 bytes as base64 has 44."""
ATTRIBUTES_BYTES_MAX: Final = 16_000
"""The attributes of every run that is looked at are in memory."""
CORRELATION_ID: Final = re.compile(r"[!-~]{1,128}", re.ASCII)
CODE: Final = re.compile(r"[!-~]*", re.ASCII)

E = EventType
CREATION: Final = frozenset(
    {"deployment_id", "workflow_name", "input", "execution_context", "attributes", "encryption_public_key"}
)
"""What makes a run: with run_created, and with the run_started of a run that is not there yet."""
NEEDED: Final[Mapping[EventType, frozenset[str]]] = {
    E.RUN_CREATED: frozenset({"deployment_id", "workflow_name", "input"}),
    E.RUN_FAILED: frozenset({"error"}),
    E.ATTR_SET: frozenset({"changes", "writer"}),
    E.STEP_CREATED: frozenset({"step_name", "input"}),
    E.STEP_COMPLETED: frozenset({"result"}),
    E.STEP_FAILED: frozenset({"error"}),
    E.STEP_RETRYING: frozenset({"error"}),
    E.HOOK_CREATED: frozenset({"token"}),
    E.HOOK_RECEIVED: frozenset({"payload"}),
    E.WAIT_CREATED: frozenset({"resume_at_unix_ms"}),
}
ALLOWED: Final[Mapping[EventType, frozenset[str]]] = {
    E.RUN_CREATED: CREATION,
    E.RUN_STARTED: CREATION,
    E.RUN_COMPLETED: frozenset({"output"}),
    E.RUN_FAILED: frozenset({"error_code"}),
    E.RUN_CANCELLED: frozenset({"cancel_reason"}),
    E.STEP_CREATED: frozenset({"workflow_name"}),
    E.STEP_STARTED: frozenset({"step_name", "attempt", "workflow_name", "input", "owner_message_id"}),
    E.STEP_COMPLETED: frozenset({"step_name", "workflow_name"}),
    E.STEP_FAILED: frozenset({"step_name"}),
    E.STEP_RETRYING: frozenset({"retry_after_unix_ms", "step_name"}),
    E.HOOK_CREATED: frozenset({"metadata", "is_webhook", "is_system", "token_retention_until_unix_ms"}),
    E.HOOK_RECEIVED: frozenset({"token"}),
    E.HOOK_DISPOSED: frozenset({"token"}),
    E.WAIT_COMPLETED: frozenset({"resume_at_unix_ms"}),
}
TEXTS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("deployment_id", "workflow_name", "step_name", "owner_message_id", "writer"), NAME_CHARS_MAX),
    "cancel_reason": REASON_CHARS_MAX,
    "error_code": CODE_CHARS_MAX,
    "encryption_public_key": KEY_CHARS_MAX,
}
TIMES: Final = ("retry_after_unix_ms", "resume_at_unix_ms", "token_retention_until_unix_ms")


@dataclass(frozen=True, slots=True)
class Draft:
    """An event to append. ``correlation_id`` is that of a step, hook or wait."""

    event_type: str
    correlation_id: str = ""
    data: EventData = field(default_factory=EventData, repr=False)

    @property
    def kind(self) -> EventType:
        """Its type, once that is checked."""
        return EventType(self.event_type)

    @property
    def makes_run(self) -> bool:
        """Whether it has what a run is made of."""
        has_all = NEEDED[E.RUN_CREATED] <= _present(self.data)
        return self.event_type == E.RUN_CREATED or (self.event_type == E.RUN_STARTED and has_all)


def checked(untrusted: Draft, limits: EngineLimits) -> Draft:
    """``untrusted`` without what nobody knows. Raises ``InvalidInput``, ``LimitExceeded``."""
    kind = _type(untrusted.event_type)
    data = EventData()
    data.CopyFrom(untrusted.data)
    data.DiscardUnknownFields()
    _check_correlation(kind, untrusted.correlation_id)
    _check_fields(kind, data)
    if (size := data.ByteSize()) > limits.payload_bytes_max:
        raise too_many("SR-WORLD-021", "bytes of the event", size, limits.payload_bytes_max, "limits.payload_bytes_max")
    _check_values(data)
    if data.spec_version > SPEC_VERSION:
        raise invalid(
            "SR-WORLD-034",
            f"the event is of version {data.spec_version} of the contract, and this host speaks {SPEC_VERSION}",
            "data.spec_version",
            fix="update the host",
        )
    _check_hook(kind, data, limits)
    check_attributes_room(data.attributes)
    return Draft(kind.value, untrusted.correlation_id, data)


def attributes_bytes(attributes: Mapping[str, str]) -> int:
    """Their size together."""
    return sum(len(key.encode()) + len(value.encode()) for key, value in attributes.items())


def check_attributes_room(attributes: Mapping[str, str]) -> None:
    """Raise ``LimitExceeded`` for more than a run may have."""
    if (size := attributes_bytes(attributes)) > ATTRIBUTES_BYTES_MAX:
        raise too_many("SR-WORLD-027", "bytes of the attributes", size, ATTRIBUTES_BYTES_MAX, "attributes_bytes_max")


def _type(untrusted_type: str) -> EventType:
    if untrusted_type in MADE_HERE:
        raise invalid("SR-WORLD-040", f"{untrusted_type} is an event that the host makes", "event_type")
    try:
        return EventType(untrusted_type)
    except ValueError:
        raise invalid(
            "SR-WORLD-017", f"{untrusted_type[:80]!r} is no type of an event", "event_type", fix="see docs/world.md"
        ) from None


def _check_correlation(kind: EventType, untrusted_id: str) -> None:
    wanted = kind.startswith(("step_", "hook_", "wait_"))
    if wanted != bool(untrusted_id):
        why = "it says which one the event is of" if wanted else "only events of steps, hooks and waits have one"
        what = f"{kind} {'needs a' if wanted else 'takes no'} correlation id"
        raise invalid("SR-WORLD-020", what, "correlation_id", why=why)
    if wanted and not CORRELATION_ID.fullmatch(untrusted_id):
        raise invalid(
            "SR-WORLD-041",
            "the correlation id is not 1 to 128 printable characters of ASCII without space",
            "correlation_id",
            fix="use a ULID with a prefix, such as step_ or hook_",
        )


def _present(data: EventData) -> frozenset[str]:
    return frozenset(descriptor.name for descriptor, _value in data.ListFields())


def _check_fields(kind: EventType, data: EventData) -> None:
    present, needed = _present(data), NEEDED.get(kind, frozenset())
    if kind is E.RUN_STARTED and present & CREATION:
        # A run is made of all of it; a part would be lost.
        needed = NEEDED[E.RUN_CREATED]
    if kind is E.STEP_STARTED and "input" in present:
        needed = frozenset({"step_name"})
    for name in sorted(needed - present):
        raise invalid("SR-WORLD-018", f"{kind} has no data.{name}", f"data.{name}", fix="add it")
    for name in sorted(present - needed - ALLOWED.get(kind, frozenset()) - {"spec_version"}):
        raise invalid("SR-WORLD-019", f"data.{name} does not belong to {kind}", f"data.{name}", fix="leave it out")


def _check_values(data: EventData) -> None:
    for name, chars_max in TEXTS.items():
        text = getattr(data, name)
        if len(text) > chars_max:
            raise _wrong(name, f"it has {len(text)} characters, and may have {chars_max}")
        # A reason is prose; the rest are names.
        if name != "cancel_reason" and not text.isprintable():
            raise _wrong(name, "it holds what cannot be printed")
    for name in TIMES:
        if not 0 <= getattr(data, name) <= ANY_TIME_MS:
            raise _wrong(name, "it is no time in Unix milliseconds")
    if not CODE.fullmatch(data.error_code):
        raise _wrong("error_code", "it is no word of ASCII")
    for key in (*data.attributes, *(change.key for change in data.changes)):
        if not 1 <= len(key) <= NAME_CHARS_MAX:
            raise _wrong("attributes", f"a name of one has {len(key)} characters, and may have 1 to {NAME_CHARS_MAX}")
    if data.encryption_public_key:
        try:
            SealTarget.from_text(data.encryption_public_key)
        except StrongroomError as error:
            raise _wrong("encryption_public_key", str(error)) from None


def _check_hook(kind: EventType, data: EventData, limits: EngineLimits) -> None:
    if kind is E.HOOK_CREATED:
        check_token(data.token)
        check_metadata(data.metadata, limits)
    if kind is E.HOOK_RECEIVED:
        check_payload(data.payload, limits)


def _wrong(name: str, why: str) -> InvalidInput:
    return invalid("SR-WORLD-022", f"data.{name} cannot be what it is", f"data.{name}", why=why)
