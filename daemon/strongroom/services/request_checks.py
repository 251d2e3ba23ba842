"""What is asked of every request, whoever makes it: a deadline, bytes that are a message, and no NUL in a text."""

from collections.abc import Callable
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError, Message

from strongroom.errors import InvalidInput

__all__ = ["Reader", "check_deadline", "reader", "refuse_nul"]

DEADLINE_S_MAX: Final = 365 * 86_400.0
"""A deadline further away than a year is none."""
# The library types a handler's request as anything; it is a protobuf message.
Reader = Callable[[bytes], Any]


def has_deadline(context: grpc.ServicerContext) -> bool:
    """Whether the caller set one; the library shows an unset deadline as one in the far future."""
    left = context.time_remaining()
    return left is not None and left < DEADLINE_S_MAX


def refuse_nul(request: Message, path: str = "") -> None:
    """Raises ``InvalidInput`` for a text with a NUL: one database refuses it, the other keeps it cut or whole."""
    for field, value in request.ListFields():
        if isinstance(value, str) and "\0" in value:
            where = f"{path}{field.name}"
            raise InvalidInput("SR-API-008", f"{where} holds a NUL character", fix="leave it out", field=where)
        if isinstance(value, Message):
            refuse_nul(value, f"{path}{field.name}.")


def reader(deserializer: Reader | None) -> Reader:
    """``deserializer``, which says in our words that bytes are no message. What it makes raises ``InvalidInput``."""

    def read(untrusted: bytes) -> Any:
        try:
            return deserializer(untrusted) if deserializer is not None else untrusted
        except DecodeError:
            raise InvalidInput(
                "SR-API-011",
                "the request cannot be read: its bytes are no message of the kind that this method takes",
                fix="send the message that the .proto file of this version names",
                field="request",
            ) from None

    return read


def check_deadline(context: grpc.ServicerContext) -> None:
    """Raises ``InvalidInput`` when the caller set none."""
    if not has_deadline(context):
        raise InvalidInput(
            "SR-API-001",
            "the call has no deadline",
            why="a call without one could wait for ever",
            fix="set a deadline (a timeout) on every call",
            field="deadline",
        )
