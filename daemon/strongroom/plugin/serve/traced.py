"""Calls that come over a channel, in the trace that their caller works in."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import grpc

from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.telemetry.span_names import PLUGIN_EXECUTE
from strongroom.telemetry.trace_context import given, within
from strongroom.telemetry.tracing import NO_SPAN, Span, is_on, span

__all__ = ["in_trace"]


def in_trace(
    capability_id: str, request: capabilities_pb2.CapabilityRequest, context: grpc.ServicerContext
) -> AbstractContextManager[Span]:
    """A span around one call. Where this process makes none, what it calls in turn belongs to its caller's."""
    parent = given(context.invocation_metadata())
    if not parent:
        return NO_SPAN
    if not is_on():
        return _handed_on(parent)
    attributes: dict[str, str | int] = {
        "strongroom.capability.id": capability_id,
        "strongroom.execution.id": request.metadata.workflow_execution_id,
        "strongroom.step": request.metadata.reference_id,
        "strongroom.request.bytes": request.ByteSize(),
    }
    return span(PLUGIN_EXECUTE, attributes, kind="server", parent=parent)


@contextmanager
def _handed_on(parent: str) -> Iterator[Span]:
    with within(parent):
        yield NO_SPAN
