"""Spans: their ids are on every line, and what one causes names it."""

from __future__ import annotations

import pytest
from structlog.contextvars import clear_contextvars, get_contextvars

from orders.chassis import tracing
from orders.chassis.outbox import new_event

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture(autouse=True)
def outside() -> None:
    """In no span: the last request of a thread leaves its ids there, until the next one begins."""
    clear_contextvars()


def test_a_span_belongs_to_the_trace_of_its_cause() -> None:
    with tracing.span("handle", {}, GIVEN):
        ids = get_contextvars()
    assert (ids["trace_id"], ids["parent_id"]) == (TRACE, SPAN)
    assert ids["span_id"] not in (SPAN, "")
    assert "trace_id" not in get_contextvars()


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        GIVEN.upper(),
        GIVEN + "0",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
    ],
)
def test_what_names_no_cause_begins_a_trace(given: str | None) -> None:
    ids = tracing.new_span(given)
    assert ids.keys() == {"trace_id", "span_id"}
    assert ids["trace_id"] != TRACE


def test_what_is_caused_within_a_span_names_it() -> None:
    with tracing.span("handle", {}, GIVEN):
        event = new_event("orders", "order.placed", "o1", 1, {})
        ids = get_contextvars()
    assert event["traceparent"] == f"00-{TRACE}-{ids['span_id']}-01"


def test_without_a_span_each_thing_is_a_trace_of_its_own() -> None:
    one, other = tracing.new_span(tracing.current()), tracing.new_span(tracing.current())
    assert one["trace_id"] != other["trace_id"]
