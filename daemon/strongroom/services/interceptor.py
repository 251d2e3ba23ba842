"""What stands around every call: a deadline is demanded, and every error leaves as a status with details."""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.message import DecodeError, Message

from strongroom.errors import Cancelled, Internal, InvalidInput, StrongroomError
from strongroom.services.errors import status_of
from strongroom.telemetry import logs

__all__ = ["Guard"]

WITHOUT_DEADLINE: Final = ("/grpc.health.", "/grpc.reflection.")
"""Probes and explorers, which seldom set one and cost nothing."""
DEADLINE_S_MAX: Final = 365 * 86_400.0
"""A deadline further away than a year is none."""
log = logs.get("services")

# The library types a handler's request and answer as anything; they are protobuf messages.
Behaviour = Callable[[Any, grpc.ServicerContext], Any]
Reader = Callable[[bytes], Any]
Streaming = Callable[[Any, grpc.ServicerContext], Iterator[Any]]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Guard(grpc.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only, not when it runs
    """Wraps the behaviour of every method of ours."""

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], "Handler | None"],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """The handler of the method, guarded."""
        handler = continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(WITHOUT_DEADLINE):
            return handler
        # The bytes of a request are read by us: the library would report those that are no message as a fault of ours.
        read = _reader(handler.request_deserializer)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                _guarded(handler.unary_unary, read, handler_call_details.method),
                response_serializer=handler.response_serializer,
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                _guarded_stream(handler.unary_stream, read, handler_call_details.method),
                response_serializer=handler.response_serializer,
            )
        if handler.stream_unary is not None:
            return grpc.stream_unary_rpc_method_handler(
                _guarded_parts(handler.stream_unary, read, handler_call_details.method),
                response_serializer=handler.response_serializer,
            )
        return handler


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


def _reader(deserializer: Reader | None) -> Reader:
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


def _guarded(behaviour: Behaviour, read: Reader, method: str) -> Behaviour:
    def call(untrusted: bytes, context: grpc.ServicerContext) -> Any:
        try:
            return behaviour(_checked(read, untrusted, context), context)
        except Exception as error:
            return context.abort_with_status(status_of(_answerable(error, method)))

    return call


def _guarded_stream(behaviour: Streaming, read: Reader, method: str) -> Streaming:
    def call(untrusted: bytes, context: grpc.ServicerContext) -> Iterator[Any]:
        try:
            yield from behaviour(_checked(read, untrusted, context), context)
        except Exception as error:
            context.abort_with_status(status_of(_answerable(error, method)))

    return call


def _guarded_parts(behaviour: Behaviour, read: Reader, method: str) -> Callable[..., Any]:
    def parts(untrusted: Iterator[bytes]) -> Iterator[Any]:
        try:
            for each in untrusted:
                request = read(each)
                refuse_nul(request)
                yield request
        except grpc.RpcError:
            # So the library says that the caller went away; nobody hears this answer, and it is no fault of ours.
            raise Cancelled("SR-API-024", "the caller went away before its last part", fix="send it again") from None

    def call(untrusted: Iterator[bytes], context: grpc.ServicerContext) -> Any:
        try:
            _check_deadline(context)
            return behaviour(parts(untrusted), context)
        except Exception as error:
            return context.abort_with_status(status_of(_answerable(error, method)))

    return call


def _checked(read: Reader, untrusted: bytes, context: grpc.ServicerContext) -> Any:
    _check_deadline(context)
    request = read(untrusted)
    refuse_nul(request)
    return request


def _check_deadline(context: grpc.ServicerContext) -> None:
    if not has_deadline(context):
        raise InvalidInput(
            "SR-API-001",
            "the call has no deadline",
            why="a call without one could wait for ever",
            fix="set a deadline (a timeout) on every call",
            field="deadline",
        )


def _answerable(error: Exception, method: str) -> StrongroomError:
    if isinstance(error, StrongroomError):
        return error
    # The one place that turns a bug into an answer; the log keeps what the caller must not see.
    log.error("a call failed unexpectedly", exc_info=error, extra={"method": method})
    return Internal("SR-INT-002", "an internal error ended the call", fix="see the daemon's log")
