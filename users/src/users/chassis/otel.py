"""Spans as OpenTelemetry makes and exports them; imported only where there is a collector.

The logs take their ids from these spans, so a line and a span of one thing have the same. Calls to
databases, to Redis and to other services are spans too, which only the collector sees.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any

from flask import Flask
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.propagate import set_global_textmap
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from . import tracing

TIMEOUT_SECONDS = 3  # of one batch: a process that stops tells its last ones, and may not take long
NOT_TRACED = "^https?://[^/]+/health"
KINDS = {"publish": SpanKind.PRODUCER, "handle": SpanKind.CONSUMER}
# All that leaves this process but names and times. Libraries note more: addresses of clients,
# queries, and errors with the value that a database refused.
TOLD = {
    "http.request.method", "http.route", "http.response.status_code", "server.address",
    "server.port", "db.system.name", "db.namespace", "db.collection.name", "error.type",
    "exception.type", "cloudevents.event_id", "cloudevents.event_type", "cloudevents.event_subject",
}  # fmt: skip
LOGGED = "shop"  # in the tracestate of a call: the span that logs know it by

_SPAN_ID = re.compile("[0-9a-f]{16}")
_W3C = TraceContextTextMapPropagator()


def start(service: str, endpoint: str) -> tracing.Spans:
    """Trace this process, and send what ends to the collector at `endpoint`, in batches."""
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # a try that failed is no news yet
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")  # the names in TOLD
    resource = Resource.create({"service.name": service, "service.namespace": "shop"})
    provider = TracerProvider(sampler=_Caused(), resource=resource)
    exporter = _Exporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=TIMEOUT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    set_global_textmap(_W3C)  # and no baggage: that is for others to carry
    for library in entry_points(group="opentelemetry_instrumentor"):  # as the lock has them
        if library.name != "flask":  # `watch` does that, for one app
            library.load()().instrument()
    return Spans()


class Spans(tracing.Spans):
    """Makes spans that are exported."""

    def watch(self, app: Flask) -> None:
        FlaskInstrumentor.instrument_app(app, excluded_urls=NOT_TRACED, enable_commenter=False)

    def of_request(self, traceparent: str | None) -> tracing.Ids:
        return _ids(trace.get_current_span()) or super().of_request(traceparent)

    @contextmanager
    def of_passage(
        self, method: str, route: str, headers: Mapping[str, str]
    ) -> Iterator[tracing.Ids]:
        if route.startswith("/health"):  # asked every few seconds
            yield tracing.new_span(headers.get(tracing.HEADER))
            return
        known = {"http.request.method": method, "http.route": route} if route != "-" else {}
        with trace.get_tracer(__name__).start_as_current_span(
            f"{method} {route}" if known else "HTTP",  # what somebody makes up is told nobody
            context=_W3C.extract(headers, Context()),
            kind=SpanKind.SERVER,
            attributes=known,
        ) as span:
            yield _ids(span) or tracing.new_span(headers.get(tracing.HEADER))

    def answered(self, status: int) -> None:
        span = trace.get_current_span()
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_status(StatusCode.ERROR)

    @contextmanager
    def of_event(
        self, doing: tracing.Doing, event: Mapping[str, Any], traceparent: str | None
    ) -> Iterator[tracing.Ids]:
        told = {
            f"cloudevents.event_{key}": str(event.get(key)) for key in ("id", "type", "subject")
        }
        with trace.get_tracer(__name__).start_as_current_span(
            f"{doing} {event.get('type')}",
            context=_W3C.extract({tracing.HEADER: traceparent or ""}, Context()),
            kind=KINDS[doing],
            attributes=told,
        ) as span:
            yield _ids(span) or tracing.new_span(traceparent)

    def failed(self, error: Exception) -> None:
        span = trace.get_current_span()
        span.record_exception(error)
        span.set_status(StatusCode.ERROR)


def _ids(span: trace.Span) -> tracing.Ids | None:
    """The ids of a span as the logs name them; None if there is no span."""
    here, parent = span.get_span_context(), getattr(span, "parent", None)
    if not here.is_valid:
        return None
    ids = {
        "trace_id": trace.format_trace_id(here.trace_id),
        "span_id": trace.format_span_id(here.span_id),
    }
    if parent:
        logged = parent.trace_state.get(LOGGED, "")
        known = _SPAN_ID.fullmatch(logged)
        ids["parent_id"] = logged if known else trace.format_span_id(parent.span_id)
    return ids


class _Caused(Sampler):
    """Takes all but calls that nothing caused: what a worker asks again and again, in case."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        *_: Any,
    ) -> SamplingResult:
        parent = trace.get_current_span(parent_context).get_span_context()
        state = parent.trace_state
        if kind is SpanKind.CLIENT:
            if not parent.is_valid:
                return SamplingResult(Decision.DROP)
            # Of this call no log tells: who is called learns what it was part of as well.
            state = state.update(LOGGED, trace.format_span_id(parent.span_id))
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, state)

    def get_description(self) -> str:
        return "all but calls that nothing caused"


class _Exporter(OTLPSpanExporter):
    """Exports spans without what is not to be told."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return super().export([_discreet(span) for span in spans])


def _discreet(span: ReadableSpan) -> ReadableSpan:
    name, told = span.name, _told(span.attributes)
    if span.kind is SpanKind.SERVER and "http.route" not in told:
        name = name.partition(" ")[0]  # where no route was found the path is what somebody wrote
    return ReadableSpan(
        name=name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=told,
        events=[Event(each.name, _told(each.attributes), each.timestamp) for each in span.events],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _told(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (attributes or {}).items() if name in TOLD}
