"""One order's way through the services, as a collector of OpenTelemetry is told it."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import collector
import leaks
import pytest
from collector import Collector, Seen
from conftest import Client, Shop, eventually, kinds, place, settled, started
from repository import SERVICES, folder
from test_traces import said_of, whole_way

ORDERED = ("gateway POST /orders", "orders POST /orders")
CONFIRMED = (
    *ORDERED,
    "orders publish order.placed",
    "products handle order.placed",
    "products publish stock.reserved",
    "orders handle stock.reserved",
    "orders publish order.confirmed",
)
WAYS = {
    (*ORDERED, "products GET /products"),
    (*ORDERED, "orders publish order.placed", "notifications handle order.placed"),
    (*CONFIRMED, "products handle order.confirmed"),
    (*CONFIRMED, "notifications handle order.confirmed"),
}
CALLS = {"mongodb", "redis", "GET"}  # of databases, and of products by orders
DOORS = {"app", "worker", "cli"}  # by which a process comes in


@pytest.fixture(scope="module")
def seen() -> Iterator[Collector]:
    with collector.listening() as found:
        yield found


@pytest.fixture(scope="module")
def shop(seen: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A second shop, which has a collector."""
    if any(map(os.environ.get, ("SHOP_URL", "MONGO_URL", "BROKER_URL", "CACHE_URL"))):
        pytest.skip("of what is shared, a second shop would take from the first")
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": seen.url, "OTEL_BSP_SCHEDULE_DELAY": "300"}
    with started(tmp_path_factory.mktemp("traced"), **told) as found:
        yield found


@pytest.fixture(scope="module")
def base_url(shop: Shop) -> str:
    return shop.base_url


@pytest.fixture(scope="module")
def admin(shop: Shop) -> Client:
    client = Client(shop.base_url)
    client.log_in(shop.credentials["email"], shop.credentials["password"])
    return client


def way(seen: Collector, span: Seen) -> tuple[str, ...]:
    """What happened, after all that caused it; calls are between, and have a test of their own."""
    names = [f"{s.service} {s.name}" for s in seen.way(span) if s.kind != "CLIENT"]
    return tuple(reversed(names))


def test_one_trace_holds_the_whole_way_of_an_order(
    seen: Collector, run_dir: Path, customer, product
):
    who = customer()
    order = place(who, (product(), 2)).json()["id"]
    logged = whole_way(run_dir, order)  # the logs tell it as they do without a collector

    def look() -> list[Seen]:
        found = [s for s in seen.spans.values() if s.trace_id == logged.head["trace_id"]]
        return found if WAYS <= {way(seen, s) for s in found if s.kind != "CLIENT"} else []

    trace = eventually(look, pause=0.3)
    assert [s.id for s in trace if not s.parent_id] == [logged.head["span_id"]]
    lines = [line for line in said_of(run_dir) if line.get("trace_id") == trace[0].trace_id]
    assert {line["span_id"] for line in lines} == {s.id for s in trace if s.kind != "CLIENT"}
    calls = {s.told.get("db.system.name", s.name) for s in trace if s.kind == "CLIENT"}
    assert calls == CALLS
    [asked] = [s for s in trace if (s.service, s.name) == ("products", "GET /products")]
    assert [s.kind for s in seen.way(asked)] == ["SERVER", "CLIENT", "SERVER", "SERVER"]


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_imports_it_for_nothing(name: str):
    package = folder(name) / "src" / name
    modules = [f"{name}.{file.stem}" for file in package.glob("*.py") if file.stem in DOORS]
    script = f"import sys, {', '.join(modules)}; print([*filter(sys.modules.get, sys.modules)])"
    python = folder(name) / ".venv/bin/python"
    imported = subprocess.check_output([python, "-c", script], text=True)
    assert "flask" in imported
    assert "opentelemetry" not in imported


def test_what_nothing_caused_is_not_told(seen: Collector, customer):
    customer()
    eventually(lambda: any(s.name == "publish user.registered" for s in seen.spans.values()))
    assert not [s for s in seen.spans.values() if s.kind == "CLIENT" and not s.parent_id]
    assert not [s for s in seen.spans.values() if "/health" in s.name]
    assert seen.paths == {"/v1/traces"}


def test_no_span_tells_who_asked_or_for_what(
    seen: Collector, run_dir: Path, customer, product, visitor
):
    who, private = customer(), f"private{uuid.uuid4().hex}"
    visitor.post("/auth/login", json={"email": who.email, "password": private})
    login = {"email": who.email, "password": f"{private}{private}", "name": "Ann"}
    assert visitor.post("/auth/register", json=login).status_code == 409
    visitor.get("/orders", headers={"Authorization": f"Bearer {private}"})
    headers = {"Cookie": private, "X-Request-Id": private, "User-Agent": private}
    visitor.get(f"/products?q={private}", headers=headers)
    assert visitor.get(f"/{private}?q={private}").status_code == 404
    order = settled(who, place(who, (product(), 1)).json())
    eventually(lambda: "order.confirmed" in kinds(who, order))
    eventually(lambda: sum(order["id"] in text for text in seen.texts) > 1)
    text = "\n".join(seen.texts)
    assert "GET /products" in text and order["id"] in text
    assert [*leaks.in_line(text, [*Client.secrets, private, who.email])] == []
    assert not [s for s in seen.spans.values() if "?" in f"{s.name}{s.told}"]
    assert leaks.in_logs(run_dir / "logs", {*Client.secrets}) == []
