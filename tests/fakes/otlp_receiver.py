"""A collector of traces on this machine: takes OTLP over HTTP, and keeps every span that it is sent."""

import gzip
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

WAIT_S = 30


@dataclass(frozen=True)
class Received:
    """One span, in the words of a test."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    attributes: dict
    links: tuple
    failed: bool


class Collector:
    """Spans, and the bytes that they came in. ``answer`` is the status that exporters get."""

    def __init__(self, answer=200):
        self.spans, self.bodies, self.headers = [], [], []
        self.answer = answer
        self._changed = threading.Condition()

    def take(self, body, headers):
        request = ExportTraceServiceRequest.FromString(body)
        with self._changed:
            self.bodies.append(body)
            self.headers.append(headers)
            for resource in request.resource_spans:
                service = {each.key: each.value.string_value for each in resource.resource.attributes}["service.name"]
                for scope in resource.scope_spans:
                    self.spans += [received(service, each) for each in scope.spans]
            self._changed.notify_all()

    def wait_for(self, condition):
        """The spans, once ``condition`` holds of them."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.spans), WAIT_S), [each.name for each in self.spans]
            return list(self.spans)


def received(service, span):
    attributes = {each.key: each.value.string_value or each.value.int_value for each in span.attributes}
    return Received(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.kind,
        attributes,
        tuple((each.trace_id.hex(), each.span_id.hex()) for each in span.links),
        span.status.code == 2,
    )


@contextmanager
def collecting(answer=200):
    """A collector and its address."""
    collector = Collector(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding") == "gzip"
            collector.take(gzip.decompress(body) if packed else body, dict(self.headers))
            self.send_response(collector.answer)
            self.end_headers()

        def log_message(self, *_words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
