"""Traces: what caused what. Each request, and each publishing and handling of an event, is a span.

Its ids, those of W3C Trace Context, are on every line that is logged within it, so that the logs
of all services make one tree: `trace_id` of the whole, `span_id` of this, `parent_id` of its cause.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

from flask import Flask
from structlog.contextvars import bound_contextvars, get_contextvars

HEADER = "traceparent"  # of a request, and of a message of the broker

Ids = dict[str, str]
Doing = Literal["publish", "handle"]

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")


def new_span(traceparent: str | None = None) -> Ids:
    """The ids of a new span: caused by the one that a traceparent names, or first of a trace."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    span_id = os.urandom(8).hex()
    if found is None:
        return {"trace_id": os.urandom(16).hex(), "span_id": span_id}
    return {"trace_id": found[1], "span_id": span_id, "parent_id": found[2]}


class Spans:
    """Makes spans of which the logs tell and nobody else; otel.py has others."""

    def watch(self, app: Flask) -> None:
        """Prepare an app; what it does before each request comes before all that is added later."""

    def of_request(self, traceparent: str | None) -> Ids:
        """The ids of the span of the current request."""
        return new_span(traceparent)

    def of_passage(
        self, method: str, route: str, headers: Mapping[str, str]
    ) -> AbstractContextManager[Ids]:
        """The ids of the span of a request that Flask does not see; it lasts as the context."""
        return nullcontext(new_span(headers.get(HEADER)))

    def answered(self, status: int) -> None:
        """Tell what the request of the current passage was answered with."""

    def of_event(
        self, doing: Doing, event: Mapping[str, Any], traceparent: str | None
    ) -> AbstractContextManager[Ids]:
        """The ids of a new span, which lasts as long as the context."""
        return nullcontext(new_span(traceparent))

    def failed(self, error: Exception) -> None:
        """Tell that what was done in the current span has failed."""


spans = Spans()


def export(service: str, endpoint: str) -> None:
    """Send what is traced in this process to a collector of OpenTelemetry too, if there is one.

    To be called in each process, before it connects to a database.
    """
    global spans
    if endpoint:
        if sys.modules["opentelemetry"] is None:  # see __init__.py
            del sys.modules["opentelemetry"]
        from . import otel

        spans = otel.start(service, endpoint)


@contextmanager
def span(doing: Doing, event: Mapping[str, Any], traceparent: str | None = None) -> Iterator[None]:
    """A span around what is done with an event; what that causes can tell so by `current()`.

    It is caused by what the traceparent names, and without one by what the event names.
    """
    cause = traceparent or event.get("traceparent")
    with spans.of_event(doing, event, cause) as ids, bound_contextvars(**ids):
        yield


def current() -> str:
    """The traceparent for what is caused here: it names this span, or without one a new trace."""
    known = get_contextvars()
    ids = known if "span_id" in known else new_span()
    return f"00-{ids['trace_id']}-{ids['span_id']}-01"
