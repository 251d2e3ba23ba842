"""What stands around every call: a deadline is demanded, the caller must have the role that the call needs, and every
error leaves as a status with details."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, Final, TypeAlias

import grpc

from strongroom.errors import Cancelled, Forbidden, Internal, StrongroomError
from strongroom.services.access import Access
from strongroom.services.call_share import CallShare, CallShares
from strongroom.services.callers import Caller, calling
from strongroom.services.errors import code_of, status_of
from strongroom.services.request_checks import Reader, check_deadline, reader, refuse_nul
from strongroom.services.traced import answered, api_span
from strongroom.telemetry import logs
from strongroom.telemetry.tracing import Span

__all__ = ["Guard"]

WITHOUT_DEADLINE: Final = ("/grpc.health.", "/grpc.reflection.")
"""Probes and explorers, which seldom set one and cost nothing."""
OURS: Final = "SR-AUTH-"
"""So begin the codes of what was refused because of who called."""
log = logs.get("services")

# The library types a handler's request and answer as anything; they are protobuf messages.
Behaviour = Callable[[Any, grpc.ServicerContext], Any]
Streaming = Callable[[Any, grpc.ServicerContext], Iterator[Any]]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Guard(grpc.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only, not when it runs
    """Wraps the behaviour of every method of ours. ``access`` says who calls, and what he may; texts of errors leave as
    ``hidden`` gives them."""

    def __init__(self, access: Access, shares: CallShares, hidden: Callable[[str], str] = str) -> None:
        self._access = access
        self._shares = shares
        self._hidden = hidden

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], "Handler | None"],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """The handler of the method, guarded."""
        handler = continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(WITHOUT_DEADLINE):
            return handler
        # The bytes of a request are read by us: the library would report those that are no message as a fault of ours.
        metadata = handler_call_details.invocation_metadata
        share = self._shares.of(self._access.lane(metadata))
        guarded = _Guarded(method, reader(handler.request_deserializer), self._access, self._hidden, share)
        if (refusal := self._access.turned_away(metadata)) is not None:
            # As one that streams both ways, since only such a handler is called before anything was received.
            return grpc.stream_stream_rpc_method_handler(guarded.refusing(refusal))
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                share.answers(guarded.one(handler.unary_unary)), response_serializer=handler.response_serializer
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                share.answers(guarded.stream(handler.unary_stream)), response_serializer=handler.response_serializer
            )
        if handler.stream_unary is not None:
            return grpc.stream_unary_rpc_method_handler(
                share.answers(guarded.parts(handler.stream_unary)), response_serializer=handler.response_serializer
            )
        # Nobody guards a method that streams both ways, and we have none.
        return None


class _Guarded:
    """The behaviours of one method with everything around them."""

    def __init__(
        self, method: str, read: Reader, access: Access, hidden: Callable[[str], str], share: CallShare
    ) -> None:
        self._method = method
        self._hidden = hidden
        self._share = share
        self._read = read
        self._access = access

    def refusing(self, refusal: Forbidden) -> Streaming:
        """Whatever is asked, it is refused and not read."""

        def call(_unread: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            self._access.refused(self._method, str(refusal.details.get("caller", "")), refusal)
            context.abort_with_status(status_of(refusal, self._hidden))
            yield

        return call

    def one(self, behaviour: Behaviour) -> Behaviour:
        """One request, one answer."""

        def call(untrusted: bytes, context: grpc.ServicerContext) -> Any:
            with api_span(self._method, context) as span:
                try:
                    with self._share.holds(untrusted), self._calling(context) as caller:
                        answer = behaviour(self._admitted(caller, untrusted), context)
                except Exception as error:
                    return context.abort_with_status(self._status(error, context, span))
                answered(span)
                return answer

        return call

    def stream(self, behaviour: Streaming) -> Streaming:
        """One request, many answers."""

        def call(untrusted: bytes, context: grpc.ServicerContext) -> Iterator[Any]:
            try:
                with self._share.holds(untrusted), self._calling(context) as caller:
                    yield from behaviour(self._admitted(caller, untrusted), context)
            except Exception as error:
                context.abort_with_status(self._status(error, context))

        return call

    def parts(self, behaviour: Behaviour) -> Callable[..., Any]:
        """A request in parts, the first of which says what it is about; one answer."""

        def call(untrusted: Iterator[bytes], context: grpc.ServicerContext) -> Any:
            with api_span(self._method, context) as span:
                try:
                    with self._calling(context) as caller:
                        parts = self._received(untrusted)
                        first = list(islice(parts, 1))
                        self._access.admit(caller, self._method, first[0] if first else self._read(b""))
                        answer = behaviour(chain(first, parts), context)
                except Exception as error:
                    return context.abort_with_status(self._status(error, context, span))
                answered(span)
                return answer

        return call

    def _status(self, error: Exception, context: grpc.ServicerContext, span: Span | None = None) -> grpc.Status:
        answerable = _answerable(error, self._method)
        if span is not None:
            answered(span, code_of(answerable).name, answerable.code)
        self._share.wait(answerable, context)
        return status_of(answerable, self._hidden)

    def _received(self, untrusted: Iterator[bytes]) -> Iterator[Any]:
        try:
            for each in untrusted:
                with self._share.holds(each):
                    request = self._read(each)
                    refuse_nul(request)
                    yield request
        except grpc.RpcError:
            # So the library says that the caller went away; nobody hears this answer, and it is no fault of ours.
            raise Cancelled("SR-API-024", "the caller went away before its last part", fix="send it again") from None

    @contextmanager
    def _calling(self, context: grpc.ServicerContext) -> Iterator[Caller]:
        check_deadline(context)
        caller = None
        try:
            caller = self._access.caller(context)
            with calling(caller):
                yield caller
        except Forbidden as refusal:
            if refusal.code.startswith(OURS):
                name = caller.name if caller is not None else str(refusal.details.get("caller", ""))
                self._access.refused(self._method, name, refusal)
            raise

    def _admitted(self, caller: Caller, untrusted: bytes) -> Any:
        request = self._read(untrusted)
        refuse_nul(request)
        self._access.admit(caller, self._method, request)
        return request


def _answerable(error: Exception, method: str) -> StrongroomError:
    if isinstance(error, StrongroomError):
        return error
    # The one place that turns a bug into an answer; the log keeps what the caller must not see.
    log.error("a call failed unexpectedly", exc_info=error, extra={"method": method})
    return Internal("SR-INT-002", "an internal error ended the call", fix="see the daemon's log")
