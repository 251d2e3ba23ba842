"""Spans of calls of the API, under the span that the caller names in ``traceparent``."""

from contextlib import AbstractContextManager
from typing import Final

import grpc

from strongroom.telemetry.span_names import API_CALL
from strongroom.telemetry.trace_context import given
from strongroom.telemetry.tracing import Span, is_on, span

__all__ = ["answered", "api_span"]

OK: Final = "OK"


def api_span(method: str, context: grpc.ServicerContext) -> AbstractContextManager[Span]:
    """A span around one call of ``method``."""
    parent = given(context.invocation_metadata()) if is_on() else ""
    attributes = {"rpc.system.name": "grpc", "rpc.method": method.lstrip("/")}
    return span(API_CALL, attributes, kind="server", parent=parent)


def answered(made: Span, status: str = OK, code: str = "") -> None:
    """The call was answered with ``status``, a word of gRPC; ``code`` is that of the error, if there is one."""
    made.set({"rpc.response.status_code": status})
    if code:
        made.failed(code)
