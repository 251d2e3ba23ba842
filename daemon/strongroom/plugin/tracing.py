"""For plugins of ours that do long work elsewhere: a span of it in the trace of the call that they answer."""

from collections.abc import Mapping
from contextlib import AbstractContextManager

from strongroom.telemetry.span_names import ENCLAVE_EXECUTE
from strongroom.telemetry.tracing import Span, span

__all__ = ["Span", "enclave_span"]


def enclave_span(attributes: Mapping[str, str | int]) -> AbstractContextManager[Span]:
    """A span around one execution in an enclave. An enclave writes none: it has no network, and what it is told is
    measured."""
    return span(ENCLAVE_EXECUTE, attributes)
