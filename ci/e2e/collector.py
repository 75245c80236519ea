"""A collector of OpenTelemetry that only keeps what it is sent, in place of a real one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True)
class Seen:
    """A span as it came."""

    service: str
    name: str
    kind: str  # SERVER, CLIENT, PRODUCER, CONSUMER
    trace_id: str
    id: str
    parent_id: str
    told: dict[str, str]  # its attributes


@dataclass
class Collector:
    """What came, as spans and as text."""

    url: str
    spans: dict[str, Seen] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)
    taking: threading.Lock = field(default_factory=threading.Lock)

    def take(self, path: str, body: bytes) -> None:
        asked = ExportTraceServiceRequest.FromString(body)
        self.paths.add(path)
        self.texts.append(str(asked))
        for of_process in asked.resource_spans:
            service = _told(of_process.resource.attributes)["service.name"]
            for scope in of_process.scope_spans:
                come = {span.span_id.hex(): _seen(service, span) for span in scope.spans}
                with self.taking:
                    self.spans = {**self.spans, **come}  # anew, since tests read it meanwhile

    def way(self, span: Seen) -> Iterator[Seen]:
        """The span, and what caused it, as far as it is known."""
        found: Seen | None = span
        while found:
            yield found
            found = self.spans.get(found.parent_id)


def _seen(service: str, span: Span) -> Seen:
    return Seen(
        service,
        span.name,
        Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        _told(span.attributes),
    )


def _told(attributes: Any) -> dict[str, str]:
    return {each.key: each.value.string_value or str(each.value) for each in attributes}


@contextmanager
def listening() -> Iterator[Collector]:
    """A collector on a free port of this machine."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.take(self.path, body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        server.daemon_threads = True
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield collector
        server.shutdown()
