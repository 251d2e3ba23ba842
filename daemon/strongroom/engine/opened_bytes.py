"""Bytes in opened contents as what they are, for people: JSON, text, or base64, each with its size.

The JSON of protobuf makes base64 of all bytes, and the payload of an HTTP request or of a hook is bytes.
"""

import base64
import json
import math
from decimal import Decimal
from typing import Any, Final

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from strongroom.engine.external import EXTERNAL
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.pb.strongroom.world.v1.event_data_pb2 import EventData

__all__ = ["readable", "readable_bytes"]

ANY: Final = "google.protobuf.Any"
WELL_KNOWN: Final = "google.protobuf."
_WRAPPED: Final[dict[str, Descriptor]] = {
    "trigger": sdk_pb2.Trigger.DESCRIPTOR,
    "request": sdk_pb2.CapabilityRequest.DESCRIPTOR,
    "response": sdk_pb2.CapabilityResponse.DESCRIPTOR,
    "result": sdk_pb2.ExecutionResult.DESCRIPTOR,
}
"""What stands under these names in the events of guests."""
_WHOLE: Final[dict[str, Descriptor]] = {
    "hook_created": journal_pb2.HookCreated.DESCRIPTOR,
    "hook_received": journal_pb2.HookReceived.DESCRIPTOR,
    "hook_disposed": journal_pb2.HookDisposed.DESCRIPTOR,
    "hook_conflict": journal_pb2.HookConflict.DESCRIPTOR,
    "receipt_kept": journal_pb2.ReceiptKept.DESCRIPTOR,
}
"""Events that are one message."""


def readable(event_type: str, module: str, content: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    """``content`` of an event of a run of ``module``, as ``Opener`` gives it, with its bytes as what they are."""
    whole = _WHOLE.get(event_type) or (EventData.DESCRIPTOR if module == EXTERNAL else None)
    if whole is not None:
        return _message(content, whole)
    return {
        name: _message(value, _WRAPPED[name]) if name in _WRAPPED and isinstance(value, dict) else value
        for name, value in content.items()
    }


def readable_bytes(data: bytes) -> dict[str, Any]:  # Any: JSON
    """``bytes`` is their number, beside ``json``, ``text`` or ``base64``."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"bytes": len(data), "base64": base64.b64encode(data).decode()}
    try:
        return {"bytes": len(data), "json": _whole_json(text)}
    except (ValueError, RecursionError):
        return {"bytes": len(data), "text": text}


def _whole_json(text: str) -> Any:  # Any: JSON
    """``text`` as JSON that says all of it. Raises ``ValueError`` where a reader would see less, or something else."""
    value = json.loads(text, parse_constant=_no_constant, parse_float=_exact, object_pairs_hook=_each_once)
    # Half of a surrogate pair is a string of JSON that no UTF-8 can hold.
    json.dumps(value, ensure_ascii=False).encode()
    return value


def _message(value: dict[str, Any], kind: Descriptor) -> dict[str, Any]:  # Any: JSON
    return {
        name: _field(each, kind.fields_by_name[name]) if name in kind.fields_by_name else each
        for name, each in value.items()
    }


def _field(value: Any, field: FieldDescriptor) -> Any:  # Any: JSON
    if isinstance(value, list):
        return [_field(each, field) for each in value]
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _bytes(value)
    kind = field.message_type
    if kind is None or not isinstance(value, dict):
        return value
    if kind.GetOptions().map_entry:
        return {name: _field(each, kind.fields_by_name["value"]) for name, each in value.items()}
    if kind.full_name == ANY:
        return _any(value)
    return value if kind.full_name.startswith(WELL_KNOWN) else _message(value, kind)


def _any(value: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    name = str(value.get("@type", "")).rpartition("/")[2]
    try:
        kind = descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        return value
    return value if name.startswith(WELL_KNOWN) else _message(value, kind)


def _bytes(value: Any) -> Any:  # Any: JSON
    try:
        return readable_bytes(base64.b64decode(value, validate=True))
    except (TypeError, ValueError):
        return value


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _exact(text: str) -> float:
    number = float(text)
    if not math.isfinite(number) or Decimal(repr(number)) != Decimal(text):
        raise ValueError("a number that is not what stands there")
    return number


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: JSON
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name that comes twice, of which one value would not be shown")
    return found
