"""Serving one capability over gRPC: ``BaseCapability``, ``Executable`` and ``TriggerExecutable`` on one socket.

The plugin process serves what it offers with this, and the host serves what a plugin asked its registry for.
"""

import logging
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from operator import methodcaller
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2

from strongroom.errors import CapabilityError, LimitExceeded
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin.dispatch import TriggerBook
from strongroom.plugin.error_text import error_of, format_error
from strongroom.plugin.serve.token import TokenCheck
from strongroom.plugin.serve.traced import in_trace
from strongroom.plugin.serve.wire import CHANNEL_OPTIONS, unix_target

__all__ = ["CALL_TIMEOUT_S_MAX", "EVENTS_MAX", "Execute", "capability_handlers", "new_server"]

Allow = Callable[[grpc.ServicerContext], None]
Execute = Callable[[capabilities_pb2.CapabilityRequest, float], capabilities_pb2.CapabilityResponse]
# A caller without a deadline gets this one: no call may occupy a thread for ever.
CALL_TIMEOUT_S_MAX: Final = 3600.0
# Events of one registration that wait for the host; a host that is so far behind must push back on the trigger.
EVENTS_MAX: Final = 1000
EVENT_WAIT_S: Final = 5.0

log = logging.getLogger(__name__)


def new_server(pool: ThreadPoolExecutor, path: str, check: TokenCheck | None) -> grpc.Server:
    """A server that will listen on the Unix socket ``path``."""
    server = grpc.server(pool, options=list(CHANNEL_OPTIONS), interceptors=[check] if check else [])
    server.add_insecure_port(unix_target(path))
    return server


def capability_handlers(
    info: capabilities_pb2.CapabilityInfoReply,
    execute: Execute | None,
    triggers: TriggerBook | None,
    check: TokenCheck | None = None,
) -> "list[grpc.GenericRpcHandler[Any, Any]]":
    """Handlers for one capability.

    ``Execute`` is declared as a stream of exactly one message. On the wire that is the same as one plain answer, which
    costs half as much to serve, so it is served as one. With ``check`` the token is looked for in each call.
    """
    allow = check.check if check is not None else _allow
    services: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {
        "BaseCapability": {"Info": _plain(lambda _request, _context: info, empty_pb2.Empty, allow)}
    }
    if execute is not None:
        services["Executable"] = {
            "Execute": _plain(_execute_with(execute, info.id), capabilities_pb2.CapabilityRequest, allow),
            "RegisterToWorkflow": _plain(_accept, capabilities_pb2.RegisterToWorkflowRequest, allow),
            "UnregisterFromWorkflow": _plain(_accept, capabilities_pb2.UnregisterFromWorkflowRequest, allow),
        }
    if triggers is not None:
        services["TriggerExecutable"] = _trigger_methods(triggers, allow)
    return [grpc.method_handlers_generic_handler(f"capabilities.{name}", methods) for name, methods in services.items()]


def _plain(
    answer: Callable[[Any, grpc.ServicerContext], Any], request: Any, allow: Allow
) -> "grpc.RpcMethodHandler[Any, Any]":
    # Any: handlers of all methods share one table, as grpc declares it.
    def allowed(message: Any, context: grpc.ServicerContext) -> Any:
        allow(context)
        return answer(message, context)

    return grpc.unary_unary_rpc_method_handler(allowed, request.FromString, methodcaller("SerializeToString"))


def _allow(_context: grpc.ServicerContext) -> None:
    """Nothing to show."""


def _accept(_request: object, _context: grpc.ServicerContext) -> empty_pb2.Empty:
    """Capabilities of ours keep nothing per workflow, so registering one needs no work."""
    return empty_pb2.Empty()


def _execute_with(
    execute: Execute, capability_id: str
) -> Callable[[capabilities_pb2.CapabilityRequest, grpc.ServicerContext], capabilities_pb2.CapabilityResponse]:
    def answer(
        request: capabilities_pb2.CapabilityRequest, context: grpc.ServicerContext
    ) -> capabilities_pb2.CapabilityResponse:
        left = context.time_remaining()
        with in_trace(capability_id, request, context) as span:
            try:
                return execute(request, CALL_TIMEOUT_S_MAX if left is None else min(left, CALL_TIMEOUT_S_MAX))
            except Exception as raised:
                told = _told(raised, request.method)
                span.failed(told.name)
                return capabilities_pb2.CapabilityResponse(error=format_error(told))

    return answer


def _told(raised: Exception, method: str) -> CapabilityError:
    """``raised`` for the wire. What the author did not mean to raise is logged by place, never by value."""
    error = error_of(raised)
    if error is not raised and error.visibility == "Private":
        last = raised.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        place = f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}" if last else "nowhere"
        log.error("method %s raised %s at %s", method[:100], type(raised).__name__, place)
    return error


class _Stream:
    """The events of one registration, on their way into its stream."""

    def __init__(self) -> None:
        self._queue: queue.Queue[capabilities_pb2.TriggerResponse | None] = queue.Queue(EVENTS_MAX)

    def event(self, event: capabilities_pb2.TriggerEvent) -> None:
        self._put(capabilities_pb2.TriggerResponse(event=event))

    def failed(self, error: CapabilityError) -> None:
        self._put(capabilities_pb2.TriggerResponse(error=format_error(error)))

    def unfinished(self) -> int:
        text = "a plugin process cannot ask its host what runs; load the plugin in the daemon"
        raise CapabilityError("Public", "User", "Unimplemented", text)

    def ended(self, why: str) -> None:
        self.stop()

    def stop(self) -> None:
        """End the stream after what is queued already; a full queue loses its oldest event to make room."""
        while True:
            try:
                self._queue.put_nowait(None)
                return
            except queue.Full:
                self._queue.get_nowait()

    def messages(self) -> Iterator[capabilities_pb2.TriggerResponseMessage]:
        while (response := self._queue.get()) is not None:
            yield capabilities_pb2.TriggerResponseMessage(response=response)

    def _put(self, response: capabilities_pb2.TriggerResponse) -> None:
        try:
            self._queue.put(response, timeout=EVENT_WAIT_S)
        except queue.Full:
            raise LimitExceeded(
                "SR-PLUG-012",
                f"the host is {EVENTS_MAX} events behind",
                fix="deliver this event again later",
                size=EVENTS_MAX + 1,
                limit=EVENTS_MAX,
                setting="EVENTS_MAX",
            ) from None


def _trigger_methods(triggers: TriggerBook, allow: Allow) -> "dict[str, grpc.RpcMethodHandler[Any, Any]]":
    def register(
        request: capabilities_pb2.TriggerRegistrationRequest, context: grpc.ServicerContext
    ) -> Iterator[capabilities_pb2.TriggerResponseMessage]:
        """The first message is an ack, or a response with only an error (section 6)."""
        allow(context)
        stream = _Stream()
        try:
            triggers.register(request, stream)
        except Exception as raised:
            error = format_error(_told(raised, request.method))
            yield capabilities_pb2.TriggerResponseMessage(response=capabilities_pb2.TriggerResponse(error=error))
            return
        try:
            if context.add_callback(stream.stop):
                yield capabilities_pb2.TriggerResponseMessage(ack=empty_pb2.Empty())
                yield from stream.messages()
        finally:
            triggers.stop(request.triggerId, sink=stream)

    def unregister(
        request: capabilities_pb2.TriggerRegistrationRequest, _context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        triggers.forget(request.triggerId, request.method)
        return empty_pb2.Empty()

    def ack(request: capabilities_pb2.AckEventRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        try:
            triggers.ack(request.trigger_id, request.event_id, request.method)
        except CapabilityError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, format_error(error))
        return empty_pb2.Empty()

    return {
        "RegisterTrigger": grpc.unary_stream_rpc_method_handler(
            register,
            capabilities_pb2.TriggerRegistrationRequest.FromString,
            capabilities_pb2.TriggerResponseMessage.SerializeToString,
        ),
        "UnregisterTrigger": _plain(unregister, capabilities_pb2.TriggerRegistrationRequest, allow),
        "AckEvent": _plain(ack, capabilities_pb2.AckEventRequest, allow),
    }
