"""Messages of known capabilities as JSON, for those who write and read them by hand.

Bytes are base64, as everywhere in JSON; ``{"text": "…"}`` and ``{"json": …}`` stand for the bytes of that text or JSON.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import any_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from strongroom.pb.capabilities.internal.actionandtrigger.v1 import action_and_trigger_pb2
from strongroom.pb.capabilities.internal.basicaction.v1 import basic_action_pb2
from strongroom.pb.capabilities.internal.nodeaction.v1 import node_action_pb2
from strongroom.pb.capabilities.networking.confidentialhttp.v1alpha import confidential_http_pb2
from strongroom.pb.capabilities.networking.http.v1alpha import http_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.kvstore.v1 import kvstore_pb2
from strongroom.pb.strongroom.workspace.v1 import workspace_pb2
from strongroom.pb.values.v1 import values_pb2

__all__ = ["answer_type", "blank", "message_of", "readable", "type_named"]

ANSWERS: Final[Mapping[tuple[str, str], type[Message]]] = {
    ("basic-test-action", "PerformAction"): basic_action_pb2.Outputs,
    ("basic-test-node-action", "PerformAction"): node_action_pb2.NodeOutputs,
    ("basic-test-action-trigger", "Action"): action_and_trigger_pb2.Output,
    ("confidential-http", "SendRequest"): confidential_http_pb2.HTTPResponse,
    ("consensus", "Report"): sdk_pb2.ReportResponse,
    ("consensus", "Simple"): values_pb2.Value,
    ("http-actions", "SendRequest"): http_pb2.Response,
    ("kvstore", "Delete"): kvstore_pb2.DeleteResponse,
    ("kvstore", "Get"): kvstore_pb2.GetResponse,
    ("kvstore", "Increment"): kvstore_pb2.IncrementResponse,
    ("kvstore", "List"): kvstore_pb2.ListResponse,
    ("kvstore", "Put"): kvstore_pb2.PutResponse,
    ("workspace", "Delete"): workspace_pb2.DeleteResponse,
    ("workspace", "Get"): workspace_pb2.GetResponse,
    ("workspace", "List"): workspace_pb2.ListResponse,
    ("workspace", "Set"): workspace_pb2.SetResponse,
}
"""What the standard capabilities answer, by name and method."""
WELL_KNOWN: Final = "google.protobuf."
"""These messages have JSON of their own."""
SPELLINGS: Final = frozenset({"text", "json"})


def answer_type(capability_id: str, method: str) -> type[Message] | None:
    """The message that ``method`` answers with, if that is known."""
    name = capability_id.split("@", 1)[0].split(":", 1)[0]
    return ANSWERS.get((name, method))


def type_named(full_name: str) -> type[Message] | None:
    """The message type ``full_name`` of those that this program knows."""
    try:
        found = descriptor_pool.Default().FindMessageTypeByName(full_name)
    except KeyError:
        return None
    kind: type[Message] = message_factory.GetMessageClass(found)
    return kind


def message_of(kind: type[Message], document: Any) -> Message:  # Any: JSON
    """``document`` as a message. Raises ``ValueError`` naming what does not fit."""
    message = kind()
    try:
        plain = _plain(kind.DESCRIPTOR, document) if isinstance(document, dict) else document
        json_format.ParseDict(plain, message)
    except (json_format.ParseError, TypeError, AttributeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"it does not fit {kind.DESCRIPTOR.full_name}: {reason}") from error
    return message


def readable(payload: any_pb2.Any) -> Any:  # Any: JSON
    """What is packed in ``payload`` as JSON, or its type and size when this program does not know the type."""
    kind = type_named(payload.type_url.rpartition("/")[2]) if payload.type_url else None
    if kind is not None:
        try:
            message = kind.FromString(payload.value)
            return _with_texts(message, json_format.MessageToDict(message))
        except (DecodeError, ValueError, TypeError):
            pass
    return {"@type": payload.type_url, "bytes": len(payload.value)}


def blank(kind: type[Message]) -> dict[str, Any]:  # Any: JSON
    """A document of ``kind`` with its scalars at their defaults, to be filled in."""
    shown: dict[str, Any] = json_format.MessageToDict(kind(), always_print_fields_with_no_presence=True)
    for field in kind.DESCRIPTOR.fields:
        if field.type == FieldDescriptor.TYPE_BYTES and not field.is_repeated and shown.get(field.json_name) == "":
            shown[field.json_name] = {"text": ""}
    return {name: value for name, value in shown.items() if value not in ({}, [])}


def _with_texts(message: Any, document: Any) -> Any:  # Any: JSON, and fields of any type
    """``document`` of ``message`` with bytes that are text shown as text, as they are written too."""
    if not isinstance(document, dict) or message.DESCRIPTOR.full_name.startswith(WELL_KNOWN):
        return document
    for field, value in message.ListFields():
        if field.is_repeated or field.json_name not in document:
            continue
        if field.type == FieldDescriptor.TYPE_BYTES:
            document[field.json_name] = _shown(value)
        elif field.message_type is not None:
            document[field.json_name] = _with_texts(value, document[field.json_name])
    return document


def _shown(value: bytes) -> dict[str, Any]:  # Any: JSON
    try:
        return {"text": value.decode()}
    except UnicodeDecodeError:
        return {"bytes": len(value)}


def _plain(descriptor: Any, document: dict[str, Any]) -> dict[str, Any]:  # Any: JSON, and protobuf has two descriptors
    if descriptor.full_name.startswith(WELL_KNOWN):
        return document
    fields = {**descriptor.fields_by_name, **{field.json_name: field for field in descriptor.fields}}
    return {name: _value(fields[name], value) if name in fields else value for name, value in document.items()}


def _value(field: FieldDescriptor, value: Any) -> Any:  # Any: JSON
    if isinstance(value, list):
        return [_value(field, item) for item in value]
    if not isinstance(value, dict):
        return value
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _base64(value)
    inner = field.message_type
    if inner is None:
        return value
    if inner.GetOptions().map_entry:
        of_entry = inner.fields_by_name["value"]
        return {key: _value(of_entry, item) for key, item in value.items()}
    return _plain(inner, value)


def _base64(value: dict[str, Any]) -> str:  # Any: JSON
    if len(value) != 1 or not SPELLINGS.issuperset(value):
        raise ValueError("bytes are base64, {text: …} or {json: …}")
    [(spelling, content)] = value.items()
    if spelling == "text" and not isinstance(content, str):
        raise ValueError("text is a string")
    return base64.b64encode((content if spelling == "text" else json.dumps(content)).encode()).decode()
