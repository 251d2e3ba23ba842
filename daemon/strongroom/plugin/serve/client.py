"""Calling a capability over gRPC, from either side of a plugin process."""

import queue
import threading
from collections.abc import Sequence
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2
from grpc import experimental

from strongroom.errors import CapabilityError
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin.dispatch import TriggerSink
from strongroom.plugin.error_text import format_error, parse_error
from strongroom.plugin.hang_up import current, ended_by, hung_up
from strongroom.plugin.serve.wire import CHANNEL_OPTIONS, SIDE_CALL_TIMEOUT_S
from strongroom.telemetry import trace_context

__all__ = ["RemoteExecutable", "RemoteTrigger", "new_channel"]

Metadata = Sequence[tuple[str, str]]
EXECUTE: Final = "/capabilities.Executable/Execute"


def new_channel(target: str) -> grpc.Channel:
    """A channel to a socket of this machine; streams are read on the caller's thread."""
    options: list[tuple[str, Any]] = list(CHANNEL_OPTIONS)
    options.append((experimental.ChannelOptions.SingleThreadedUnaryStream, 1))
    # The authority of a Unix socket is its path, which peers written in Go refuse.
    options.append(("grpc.default_authority", "localhost"))
    return grpc.insecure_channel(target, options=options)


class RemoteExecutable:
    """A capability on the far side of a channel.

    ``plain`` when the far side is known to answer ``Execute`` with one message and then end (our own processes do): it
    is then read as a plain answer, which on the wire is the same thing. From anybody else, and where the caller may
    hang up, one message is read from the stream and the rest is dropped.
    """

    def __init__(self, channel: grpc.Channel, metadata: Metadata, *, plain: bool) -> None:
        self._metadata = tuple(metadata)
        serialize = capabilities_pb2.CapabilityRequest.SerializeToString
        parse = capabilities_pb2.CapabilityResponse.FromString
        self._plain = channel.unary_unary(EXECUTE, serialize, parse) if plain else None
        self._stream = channel.unary_stream(EXECUTE, serialize, parse)

    def execute(
        self, request: capabilities_pb2.CapabilityRequest, *, timeout_s: float
    ) -> capabilities_pb2.CapabilityResponse:
        """The answer. Raises ``CapabilityError`` for a failed call and for trouble on the way."""
        response: capabilities_pb2.CapabilityResponse
        try:
            # A plain call cannot be ended while it waits.
            if self._plain is not None and current() is None:
                response = self._plain(request, timeout=timeout_s, metadata=self._told())
            else:
                response = self._first(request, timeout_s)
        except grpc.RpcError as error:
            raise hung_up() or _transport_error(error) from error
        except ValueError as error:  # what grpc raises for a channel that was closed
            raise CapabilityError(
                "Public", "System", "Unavailable", f"error executing capability request: {error}"
            ) from error
        if response.error:
            raise parse_error(response.error)
        return response

    def _told(self) -> tuple[tuple[str, str | bytes], ...]:
        """What the far side is told beside the request: in which trace it works, where this thread works in one."""
        traceparent = trace_context.current()
        return (*self._metadata, (trace_context.TRACEPARENT, traceparent)) if traceparent else self._metadata

    def _first(
        self, request: capabilities_pb2.CapabilityRequest, timeout_s: float
    ) -> capabilities_pb2.CapabilityResponse:
        """The first message of the stream."""
        answer: capabilities_pb2.CapabilityResponse
        call: Any = self._stream(request, timeout=timeout_s, metadata=self._told())  # Any: grpc's own call object
        try:
            with ended_by(call.cancel):
                answer = next(call)
            return answer
        except StopIteration:
            raise CapabilityError(
                "Public", "System", "Unavailable", "error waiting for response message: the stream ended before it"
            ) from None
        finally:
            call.cancel()


def _transport_error(error: grpc.RpcError) -> CapabilityError:
    """Trouble on the way, in the words of capability-wire section 7."""
    code = error.code()
    details = (error.details() or code.name)[:500]
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return CapabilityError("Public", "System", "DeadlineExceeded", "error waiting for response message: too late")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return CapabilityError(
            "Public", "System", "ResourceExhausted", f"error executing capability request: {details}"
        )
    if code is grpc.StatusCode.INTERNAL and "deserializing" in details:
        return CapabilityError("Public", "System", "Internal", f"could not unmarshal response: {details}")
    return CapabilityError("Public", "System", "Unavailable", f"error executing capability request: {details}")


class RemoteTrigger:
    """A trigger on the far side of a channel. Each registration is a stream with a thread of its own."""

    def __init__(self, channel: grpc.Channel, metadata: Metadata) -> None:
        self._metadata = tuple(metadata)
        service = "/capabilities.TriggerExecutable/"
        registration = capabilities_pb2.TriggerRegistrationRequest.SerializeToString
        self._register = channel.unary_stream(
            service + "RegisterTrigger", registration, capabilities_pb2.TriggerResponseMessage.FromString
        )
        self._unregister = channel.unary_unary(service + "UnregisterTrigger", registration, empty_pb2.Empty.FromString)
        self._ack = channel.unary_unary(
            service + "AckEvent", capabilities_pb2.AckEventRequest.SerializeToString, empty_pb2.Empty.FromString
        )
        self._lock = threading.Lock()
        self._streams: dict[str, Any] = {}  # Any: grpc's own call objects

    def register(
        self, request: capabilities_pb2.TriggerRegistrationRequest, sink: TriggerSink, *, timeout_s: float
    ) -> None:
        """Start delivering into ``sink``. The stream outlives this call. Raises ``CapabilityError``."""
        answer: queue.SimpleQueue[CapabilityError | None] = queue.SimpleQueue()
        try:
            call: Any = self._register(request, metadata=self._metadata)  # Any: grpc's own call object
        except ValueError as error:  # what grpc raises for a channel that was closed
            raise CapabilityError("Public", "System", "Unavailable", f"the plugin is away: {error}") from error
        with self._lock:
            old = self._streams.pop(request.triggerId, None)
            self._streams[request.triggerId] = call
        if old is not None:
            old.cancel()
        reader = threading.Thread(
            target=self._read, args=(call, request.triggerId, sink, answer), name="trigger-stream", daemon=True
        )
        reader.start()
        try:
            refused = answer.get(timeout=timeout_s)
        except queue.Empty:
            call.cancel()
            raise CapabilityError(
                "Public",
                "System",
                "DeadlineExceeded",
                f"failed to receive registering trigger ack message: nothing came within {timeout_s:g} s",
            ) from None
        if refused is not None:
            raise refused

    def pause(self, request: capabilities_pb2.TriggerRegistrationRequest) -> None:
        """End the stream, at which the far side stops by itself; ``UnregisterTrigger`` would be for good."""
        with self._lock:
            call = self._streams.pop(request.triggerId, None)
        if call is not None:
            call.cancel()

    def unregister(self, request: capabilities_pb2.TriggerRegistrationRequest) -> None:
        """Ask the far side to stop for good, and end the stream whatever it says."""
        with self._lock:
            call = self._streams.pop(request.triggerId, None)
        try:
            self._unregister(request, timeout=SIDE_CALL_TIMEOUT_S, metadata=self._metadata)
        except grpc.RpcError as error:
            raise _transport_error(error) from error
        except ValueError as error:
            raise CapabilityError("Public", "System", "Unavailable", f"the plugin is away: {error}") from error
        finally:
            if call is not None:
                call.cancel()

    def ack(self, trigger_id: str, event_id: str, method: str) -> None:
        """Confirm one event. Raises ``CapabilityError``."""
        request = capabilities_pb2.AckEventRequest(trigger_id=trigger_id, event_id=event_id, method=method)
        try:
            self._ack(request, timeout=SIDE_CALL_TIMEOUT_S, metadata=self._metadata)
        except grpc.RpcError as error:
            raise _transport_error(error) from error
        except ValueError as error:  # what grpc raises for a channel that was closed
            raise CapabilityError("Public", "System", "Unavailable", f"the event is not confirmed: {error}") from error

    def _read(
        self, call: Any, trigger_id: str, sink: TriggerSink, answer: "queue.SimpleQueue[CapabilityError | None]"
    ) -> None:
        """Read one stream to its end. Any: a call object of grpc."""
        acked = False
        why = "the plugin ended the stream"
        try:
            for message in call:
                kind = message.WhichOneof("message")
                if not acked:
                    if kind != "ack":
                        answer.put(parse_error(message.response.error))
                        return
                    acked = True
                    answer.put(None)
                elif kind == "response" and message.response.error:
                    sink.failed(parse_error(message.response.error))
                elif kind == "response":
                    sink.event(message.response.event)
        except grpc.RpcError as error:
            why = format_error(_transport_error(error))
        finally:
            call.cancel()
            with self._lock:
                current = self._streams.get(trigger_id) is call
                if current:
                    del self._streams[trigger_id]
        if not acked:
            text = f"failed to receive registering trigger ack message: {why}"
            answer.put(CapabilityError("Public", "System", "Unavailable", text))
        elif current:
            sink.ended(why)
