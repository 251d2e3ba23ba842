"""What each standard trigger carries: the payload message that a manual start is wrapped in.

The message types are compiled in, so a workflow can be started by hand even where its trigger's plugin is not loaded.
Source: contracts, "capability-wire" section 11.
"""

import json
from collections.abc import Callable
from typing import Final

from google.protobuf import any_pb2, json_format, struct_pb2, timestamp_pb2
from google.protobuf.message import DecodeError, Message

from strongroom.errors import InvalidInput
from strongroom.pb.capabilities.internal.actionandtrigger.v1 import action_and_trigger_pb2
from strongroom.pb.capabilities.internal.basictrigger.v1 import basic_trigger_pb2
from strongroom.pb.capabilities.networking.http.v1alpha import http_pb2
from strongroom.pb.capabilities.scheduler.cron.v1 import cron_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.registry.ids import parse_id

__all__ = ["only_by_hand", "wrap"]

WELL_KNOWN: Final = "google.protobuf"
"""The package of the types that have a form of their own in JSON."""


def wrap(capability_id: str, method: str, untrusted_json: bytes) -> any_pb2.Any:
    """``untrusted_json`` in the payload message of that trigger. Raises ``InvalidInput``.

    The HTTP trigger takes any JSON value as its input; a cron trigger takes nothing and gets the current second; other
    known triggers take their message as a JSON object; a trigger that is not known gets a ``google.protobuf.Value``.
    """
    name = parse_id(capability_id).name
    value = _parsed(untrusted_json)
    wrapper = WRAPPERS.get((name, method)) or WRAPPERS.get((name, ""))
    packed = any_pb2.Any()
    packed.Pack(wrapper(value, untrusted_json) if wrapper else _as_message(struct_pb2.Value())(value, untrusted_json))
    return packed


def only_by_hand(subscription: sdk_pb2.TriggerSubscription) -> str:
    """Why no event can ever start runs of it, though nothing is wrong with it; empty for every other one.

    An HTTP trigger that names no key is how a workflow says that it is started with `run start` and by nobody else.
    """
    config = http_pb2.Config()
    try:
        named = parse_id(subscription.id).name == HTTP_TRIGGER and subscription.payload.Unpack(config)
    except (InvalidInput, DecodeError):
        return ""  # whoever offers the trigger says what is wrong with it
    return NO_KEY if named and not config.authorized_keys else ""


def _parsed(untrusted_json: bytes) -> object:
    if not untrusted_json:
        return None
    try:
        value: object = json.loads(untrusted_json, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise _refused(f"is not JSON: {error}") from error
    return value


def _constant(name: str) -> object:
    """Python reads NaN and Infinity, which no other reader of JSON knows."""
    raise ValueError(f"{name} is no JSON value")


def _http(value: object, untrusted_json: bytes) -> Message:
    del value
    return http_pb2.Payload(input=untrusted_json)


def _cron(value: object, untrusted_json: bytes) -> Message:
    if value not in (None, {}):
        return _as_message(cron_pb2.Payload())(value, untrusted_json)
    now = timestamp_pb2.Timestamp()
    now.GetCurrentTime()
    now.nanos = 0
    return cron_pb2.Payload(scheduled_execution_time=now)


def _as_message(empty: Message) -> Callable[[object, bytes], Message]:
    def build(value: object, untrusted_json: bytes) -> Message:
        del untrusted_json
        message = type(empty)()
        # The parser would go through a text as if its characters were fields, and take an empty list for a message.
        # Some of the well-known types are texts, lists or numbers in JSON.
        is_well_known = empty.DESCRIPTOR.file.package == WELL_KNOWN
        if value is not None and not isinstance(value, dict) and not is_well_known:
            raise _refused(f"does not fit {empty.DESCRIPTOR.full_name}: it is no JSON object")
        try:
            if value is not None:
                json_format.ParseDict(value, message)  # type: ignore[arg-type]  # values of some are no objects
        except (json_format.ParseError, TypeError, AttributeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise _refused(f"does not fit {empty.DESCRIPTOR.full_name}: {reason}") from error
        return message

    return build


HTTP_TRIGGER: Final = "http-trigger"
NO_KEY: Final = "started by hand only: it names no key that may start it"
WRAPPERS: Final[dict[tuple[str, str], Callable[[object, bytes], Message]]] = {
    (HTTP_TRIGGER, ""): _http,
    ("cron-trigger", ""): _cron,
    ("basic-test-trigger", ""): _as_message(basic_trigger_pb2.Outputs()),
    ("basic-test-action-trigger", ""): _as_message(action_and_trigger_pb2.TriggerEvent()),
}


def _refused(why: str) -> InvalidInput:
    return InvalidInput(
        "SR-RUN-005", f"the payload {why}", fix="give the payload of the trigger as JSON", field="payload"
    )
