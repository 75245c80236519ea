"""Traces: what caused what. Each request, and each publishing and handling of an event, is a span.

Its ids, those of W3C Trace Context, are on every line that is logged within it, so that the logs
of all services make one tree: `trace_id` of the whole, `span_id` of this, `parent_id` of its cause.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from structlog.contextvars import bound_contextvars, get_contextvars

HEADER = "traceparent"  # of a request, and of a message of the broker

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")


def new_span(traceparent: str | None = None) -> dict[str, str]:
    """The ids of a new span: caused by the one that a traceparent names, or first of a trace."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    span_id = uuid.uuid4().hex[:16]
    if found is None:
        return {"trace_id": uuid.uuid4().hex, "span_id": span_id}
    return {"trace_id": found[1], "span_id": span_id, "parent_id": found[2]}


@contextmanager
def span(traceparent: str | None = None) -> Iterator[None]:
    """A span around what is done within; what that causes can tell so by `current()`."""
    with bound_contextvars(**new_span(traceparent)):
        yield


def current() -> str:
    """The traceparent for what is caused here: it names this span, or without one a new trace."""
    known = get_contextvars()
    ids = known if "span_id" in known else new_span()
    return f"00-{ids['trace_id']}-{ids['span_id']}-01"
