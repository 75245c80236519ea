"""One order's way through the services, as their logs tell it by the ids of spans."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from conftest import ROOT, eventually, place

import follow

ORDERED = ("gateway POST /orders 201", "orders POST /orders 201")
RESERVED = (
    *ORDERED,
    "orders published order.placed",
    "products handled order.placed",
    "products published stock.reserved",
)
CONFIRMED = (*RESERVED, "orders handled stock.reserved", "orders published order.confirmed")
WAYS = {
    (*ORDERED, "products GET /products 200"),
    (*ORDERED, "orders published order.placed", "notifications handled order.placed"),
    (*CONFIRMED, "products handled order.confirmed"),
    (*CONFIRMED, "notifications handled order.confirmed"),
}


def ways(spans: list[follow.Span], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """What happened, each with all that caused it before."""
    for span in spans:
        way = (*before, f"{span.head['service']} {follow.what_of(span.head)}")
        yield way
        yield from ways(span.children, way)


def said_of(run_dir: Path) -> list[follow.Line]:
    texts = [path.read_text(errors="replace") for path in (run_dir / "logs").glob("*.log")]
    return list(follow.read(text for whole in texts for text in whole.splitlines()))


def whole_way(run_dir: Path, order: str) -> follow.Span:
    """The one span that all else came of, when all that is awaited has happened."""

    def look() -> list[follow.Span]:
        spans = follow.spans_of(order, said_of(run_dir))
        return spans if WAYS <= set(ways(spans)) else []

    [root] = eventually(look, pause=0.3)
    return root


def test_one_trace_holds_the_whole_way_of_an_order(run_dir: Path, customer, product):
    who = customer()
    order = place(who, (product(), 2)).json()["id"]
    root = whole_way(run_dir, order)
    assert "parent_id" not in root.head
    assert {line["request_id"] for line in root.lines + root.children[0].lines} == {
        root.head["request_id"]
    }


def test_a_caller_who_traces_finds_the_order_in_its_own_trace(run_dir: Path, customer, product):
    who, trace, span = customer(), "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    who.headers["traceparent"] = f"00-{trace}-{span}-01"
    order = place(who, (product(), 1)).json()["id"]
    del who.headers["traceparent"]
    root = whole_way(run_dir, order)
    assert (root.head["trace_id"], root.head["parent_id"]) == (trace, span)


def printed(*args: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "ci/follow.py"), *args],
        input=given,
        capture_output=True,
        text=True,
    )


def line(second: int, service: str, event: str, span: str, parent: str = "", **more: object) -> str:
    ids = {"trace_id": "t", "span_id": span} | ({"parent_id": parent} if parent else {})
    time = f"2026-11-23T05:00:{second:02}.000000Z"
    return json.dumps({"time": time, "service": service, "event": event} | ids | more)


LOGGED = [
    "a database says {something else}",
    line(3, "products", "event.handled", "c", "b", event_type="order.placed", duration_ms=500),
    "orders-worker-1 | "
    + line(2, "orders", "event.published", "b", "a", event_type="order.placed", subject="o1"),
    line(1, "orders", "order.placed", "a", order_id="o1"),
    line(2, "orders", "request", "a", duration_ms=2000, method="POST", route="/orders", status=201),
    line(4, "orders", "event.handled", "e", "lost", event_type="stock.reserved", duration_ms=0),
]


def test_prints_what_caused_what_with_times_wherever_the_lines_stand():
    done = printed("o1", "-", given="\n".join(LOGGED))
    assert done.stdout.splitlines() == [
        "       ms  what happened",
        "      0.0  orders POST /orders 201  (2000 ms)",
        "   1000.0    orders says order.placed",
        "   2000.0    orders published order.placed",
        "   2500.0      products handled order.placed  (500 ms)",
        "   4000.0    orders handled stock.reserved  (0 ms)",
    ]


def test_says_of_what_order_no_log_tells():
    done = printed("o2", "-", given="\n".join(LOGGED))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "No log tells of an order o2.\n"
