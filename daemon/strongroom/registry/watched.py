"""What is told of every call of a capability, whoever makes it: which one, how it ended, and how long it took.

Where traces are made it is a span of the trace that its caller works in; a question of the host itself is in none.
"""

import time
from collections.abc import Callable
from typing import TypeAlias

from strongroom.errors import CapabilityError
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.telemetry.counts import OK, OTHER, Counts
from strongroom.telemetry.span_names import CAPABILITY_CALL
from strongroom.telemetry.trace_context import current
from strongroom.telemetry.tracing import is_on, span

__all__ = ["Send", "Watched", "counting", "unwatched"]

Send: TypeAlias = Callable[[], capabilities_pb2.CapabilityResponse]
"""Makes the call. Raises ``CapabilityError``."""
Watched: TypeAlias = Callable[[str, capabilities_pb2.CapabilityRequest, Send], capabilities_pb2.CapabilityResponse]
"""Has a call made of the capability of that id, and gives its answer."""


def unwatched(
    _capability_id: str, _request: capabilities_pb2.CapabilityRequest, send: Send
) -> capabilities_pb2.CapabilityResponse:
    """Nobody wants to know."""
    return send()


def counting(counts: Counts) -> Watched:
    """Every call is counted in ``counts``."""

    def watched(
        capability_id: str, request: capabilities_pb2.CapabilityRequest, send: Send
    ) -> capabilities_pb2.CapabilityResponse:
        began_s, code = time.monotonic(), OTHER
        try:
            answer = _traced(capability_id, request, send) if is_on() and current() else send()
            code = OK
        except CapabilityError as error:
            code = error.name
            raise
        finally:
            counts.called(capability_id, code, time.monotonic() - began_s)
        return answer

    return watched


def _traced(
    capability_id: str, request: capabilities_pb2.CapabilityRequest, send: Send
) -> capabilities_pb2.CapabilityResponse:
    attributes: dict[str, str | int] = {
        "strongroom.capability.id": capability_id,
        "strongroom.execution.id": request.metadata.workflow_execution_id,
        "strongroom.step": request.metadata.reference_id,
        "strongroom.request.bytes": request.ByteSize(),
    }
    with span(CAPABILITY_CALL, attributes, kind="client") as made:
        try:
            answer = send()
        except CapabilityError as error:
            made.failed(error.name)
            raise
        made.set({"strongroom.response.bytes": answer.ByteSize()})
        return answer
