"""Traces: off, unless the standard variables of OpenTelemetry name where they go. The only door to its libraries.

Rule 1: a process has one tracing, as it has one log. While it is off nothing of the library is loaded, no traceparent
is read or sent, and a span costs a comparison.
Rule 2: a span takes the attributes of ``span_names`` and no others; their texts go through the redaction. No message of
an error gets into a span, and no event.
Rule 3: traces are never worth a failure: who asks for them where they cannot be made is told so, and served without.

Source: OpenTelemetry specification, "Environment Variables"; W3C Trace Context.
"""

import importlib.util
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, Literal, Protocol
from urllib.parse import unquote, urlsplit

from strongroom.errors import Misconfigured
from strongroom.telemetry import logs
from strongroom.telemetry.span_names import ATTRIBUTES
from strongroom.telemetry.trace_context import checked, current, within

__all__ = ["ENDPOINTS", "NO_SPAN", "Span", "configure", "for_children", "is_on", "shut_down", "span"]

EXPORTER: Final = "OTEL_TRACES_EXPORTER"
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
HEADERS: Final = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL: Final = "http/protobuf"
LIBRARIES: Final = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter")
CHILDREN: Final = (
    EXPORTER,
    *ENDPOINTS,
    *PROTOCOLS,
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
)
VALUE_CHARACTERS_MAX: Final = 256
SHUT_DOWN_S: Final = 3.0
"""For the last spans; a collector that is away keeps no host from ending."""
Kind = Literal["internal", "server", "client"]
Value = str | int
log = logs.get("telemetry")


class Span(Protocol):
    """One piece of work. ``traceparent`` is what belongs under it is told; empty while traces are off."""

    traceparent: str

    def set(self, attributes: Mapping[str, Value]) -> None:
        """Add attributes of ``span_names``. Others are left out."""

    def failed(self, error_type: str) -> None:
        """It ended with an error of that type: a code or a word, no message."""


class _Nothing:
    """A span while traces are off."""

    traceparent = ""

    def __enter__(self) -> "Span":
        return self

    def __exit__(self, *_raised: object) -> None:
        """Nothing has begun."""

    def set(self, attributes: Mapping[str, Value]) -> None:
        """Nobody wants to know."""

    def failed(self, error_type: str) -> None:
        """Nobody wants to know."""


NO_SPAN: Final = _Nothing()
"""Stands for a span where there is none."""


class _Tracing:
    """The library, set up. Any: its objects, which are loaded where traces are wanted alone."""

    def __init__(self, service: str, shown: Callable[[str], str]) -> None:
        import uuid
        from importlib import metadata

        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        version = metadata.version("strongroom")
        resource = Resource.create(
            {"service.name": service, "service.version": version, "service.instance.id": str(uuid.uuid4())}
        )
        self._provider: Any = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer: Any = self._provider.get_tracer("strongroom", version)
        self._shown = shown

    @contextmanager
    def span(self, name: str, kind: Kind, parent: str, link: str, attributes: Mapping[str, Value]) -> Iterator[Span]:
        from opentelemetry import trace

        kinds = {"internal": trace.SpanKind.INTERNAL, "server": trace.SpanKind.SERVER, "client": trace.SpanKind.CLIENT}
        begun = self._tracer.start_span(
            name,
            context=_context_of(parent),
            kind=kinds[kind],
            links=[trace.Link(_span_context(link))] if link else (),
            record_exception=False,
            set_status_on_exception=False,
        )
        made = _Made(begun, self._shown)
        made.set(attributes)
        try:
            with within(made.traceparent):
                yield made
        except Exception as error:
            if not made.has_failed:
                made.failed(str(getattr(error, "code", "")) or type(error).__name__)
            raise
        finally:
            begun.end()

    def shut_down(self) -> None:
        ending = threading.Thread(target=self._provider.shutdown, name="traces-end", daemon=True)
        ending.start()
        ending.join(SHUT_DOWN_S)


class _Made:
    """A span of the library, behind the list of what it may have."""

    def __init__(self, begun: Any, shown: Callable[[str], str]) -> None:  # Any: the library's span
        self._begun = begun
        self._shown = shown
        self.has_failed = False
        of = begun.get_span_context()
        self.traceparent = f"00-{of.trace_id:032x}-{of.span_id:016x}-{int(of.trace_flags):02x}"

    def set(self, attributes: Mapping[str, Value]) -> None:
        for name, value in attributes.items():
            if name in ATTRIBUTES and value != "":
                is_text = isinstance(value, str)
                self._begun.set_attribute(name, self._shown(str(value))[:VALUE_CHARACTERS_MAX] if is_text else value)

    def failed(self, error_type: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        self.has_failed = True
        self.set({"error.type": error_type})
        self._begun.set_status(Status(StatusCode.ERROR))


class _Process:
    """What this process has."""

    tracing: _Tracing | None = None


def configure(
    environ: Mapping[str, str],
    *,
    service: str = "strongroom",
    shown: Callable[[str], str] = str,
    hide: Callable[[str], object] = str,
) -> bool:
    """Make traces from now on where ``environ`` asks for them; whether it does and they can be made.

    ``shown`` is what texts go through; ``hide`` is told the values of headers, which may be tokens, and passwords.
    """
    if not _is_wanted(environ):
        return False
    for value in _secrets(environ):
        hide(value)
    try:
        _check(environ)
        _Process.tracing = _Tracing(os.environ.get("OTEL_SERVICE_NAME", "") or service, shown)
    except Misconfigured as fault:
        log.error("traces are not made", extra={"code": fault.code, "why": fault.with_fix()})
        return False
    except Exception as error:
        # What the library does not take of the environment is told by it in its own words, which may quote a value.
        log.error("traces are not made: the library refuses the environment", extra={"why": type(error).__name__})
        return False
    log.info("traces are made")
    return True


def for_children(environ: Mapping[str, str]) -> dict[str, str]:
    """What of ``environ`` a process is told that writes into the same traces; nothing while there are none.

    Headers, and addresses with a password, are for the host alone: programs of others run in those processes.
    """
    if not is_on():
        return {}
    return {name: value for name in CHILDREN if (value := environ.get(name)) and "@" not in value}


def shut_down() -> None:
    """Hand over the last spans, for a bounded time, and make none any more."""
    tracing, _Process.tracing = _Process.tracing, None
    if tracing is not None:
        tracing.shut_down()


def is_on() -> bool:
    """Whether spans go anywhere."""
    return _Process.tracing is not None


def span(
    name: str,
    attributes: Mapping[str, Value],
    *,
    kind: Kind = "internal",
    parent: str | None = None,
    link: str = "",
) -> AbstractContextManager[Span]:
    """A span around a block, under ``parent``, or else under the one that this thread works in.

    ``link`` is the traceparent of another trace that it belongs together with. What the block raises is its error.
    """
    tracing = _Process.tracing
    if tracing is None:
        return NO_SPAN
    return tracing.span(name, kind, checked(current() if parent is None else parent), checked(link), attributes)


def _is_wanted(environ: Mapping[str, str]) -> bool:
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environ.get(EXPORTER, "").strip().lower()
    return exporter not in {"", "none"} or (not exporter and any(environ.get(name) for name in ENDPOINTS))


def _check(environ: Mapping[str, str]) -> None:
    """Raises ``Misconfigured`` for what is asked for and cannot be had."""
    exporter = environ.get(EXPORTER, "").strip().lower()
    protocol = next((value for name in PROTOCOLS if (value := environ.get(name, "").strip().lower())), PROTOCOL)
    if exporter not in {"", "otlp"} or protocol != PROTOCOL:
        raise Misconfigured(
            "SR-OBS-003",
            "the environment asks for traces in a way that is not spoken here",
            why=f"{EXPORTER} is otlp here, and its protocol {PROTOCOL}",
            fix=f"set {EXPORTER}=otlp and {PROTOCOLS[1]}={PROTOCOL}",
            where=EXPORTER if exporter not in {"", "otlp"} else PROTOCOLS[1],
        )
    if not all(map(_is_there, LIBRARIES)):
        raise Misconfigured(
            "SR-OBS-002",
            "the environment asks for traces, and the libraries for them are not installed",
            why="they are an extra, since most hosts make no traces",
            fix="install strongroom[otel] beside this host, or unset the OTEL_ variables",
            where=EXPORTER if exporter else ENDPOINTS[0],
        )


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """Values of headers, as ``name=value,name=value``, and what follows a word such as Bearer in them; passwords of
    addresses."""
    for name in HEADERS:
        for pair in environ.get(name, "").split(","):
            value = unquote(pair.partition("=")[2].strip())
            yield from (value, value.rpartition(" ")[2])
    for name in ENDPOINTS:
        try:
            password = urlsplit(environ.get(name, "")).password or ""
        except ValueError:  # whoever makes the traces says that it is none
            continue
        yield from (password, unquote(password))


def _context_of(traceparent: str) -> Any:  # Any: the library's context
    from opentelemetry import context, trace

    nothing = context.Context()
    if not traceparent:
        return nothing
    return trace.set_span_in_context(trace.NonRecordingSpan(_span_context(traceparent)), nothing)


def _span_context(traceparent: str) -> Any:  # Any: the library's
    from opentelemetry.trace import SpanContext, TraceFlags

    _version, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
