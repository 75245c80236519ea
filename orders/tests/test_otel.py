"""OpenTelemetry: nothing of it without a collector, and no harm by one that is away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from conftest import JWKS, PRODUCTS, free_port

EVENT = {"id": "1", "type": "stock.reserved", "subject": "o1", "data": {}}
# In a process of its own, since what is imported once stays. It answers, publishes and handles.
PROCESS = f"""
import json, sys
import orders.cli
from orders.app import create_app
from orders.chassis import tracing
from orders.chassis.outbox import new_event
from structlog.contextvars import clear_contextvars

client = create_app().test_client()
asked = ["/health/live", "/orders", "/orders?q=secret-words", "/nothing", "/docs/"]
answers = [client.get(path, headers={{"Authorization": "Bearer secret-token"}}) for path in asked]
clear_contextvars()
with tracing.span("publish", {EVENT}) as span:
    made = new_event("orders", "order.placed", "o1", 1, {{}})
with tracing.span("handle", made):
    heard = tracing.get_contextvars()
print(json.dumps({{
    "answers": [[a.status_code, a.headers["Content-Type"], len(a.data)] for a in answers],
    "caused": made["traceparent"] == f"00-{{heard['trace_id']}}-{{heard['parent_id']}}-01",
    "imported": [n for n, found in sys.modules.items() if n.startswith("opentelemetry") and found],
}}), flush=True)
"""

FAILING = """
import json
from orders.chassis import database, inbox, logs, tracing
from orders.settings import Settings
from orders.chassis.environment import read

settings = read(Settings)
tracing.export("orders", settings.otel_exporter_otlp_endpoint)
database.connect(settings.mongo_url)
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
left = []
OTLPSpanExporter.export = lambda _, spans: left.extend(spans)

def fail(event):
    raise ValueError("ann@shop.example")

made = inbox.Inbox("orders", {"a.b": fail}, {"a.b": {}}, (0.0,))
made.take(json.dumps({"id": "1", "type": "a.b", "subject": "s", "data": {}}).encode())
trace.get_tracer_provider().force_flush()
print(json.dumps({
    "answers": [],
    "failed": [[s.name, s.status.status_code.name] for s in left if s.kind.name == "CONSUMER"],
    "calls": sorted({s.name.split(".")[1] for s in left if s.kind.name == "CLIENT"}),
    "text": " ".join(s.to_json() for s in left),
}), flush=True)
"""


def run(mongo_url: str, script: str = PROCESS, **more: str) -> tuple[dict[str, Any], str]:
    """What the process found, and all that it logged."""
    told = {
        "MONGO_URL": mongo_url,
        "BROKER_URL": "redis://127.0.0.1:1",
        "CACHE_URL": "redis://127.0.0.1:1",
        "JWKS_URL": JWKS,
        "PRODUCTS_URL": PRODUCTS,
        "PYTHONWARNINGS": "error",
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **told, **more},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    [found] = [line for line in done.stdout.splitlines() if line.startswith('{"answers"')]
    assert "secret" not in done.stderr
    return json.loads(found), done.stdout.replace(found, "")


@pytest.fixture(scope="module")
def without(mongo_url: str) -> dict[str, Any]:
    return run(mongo_url)[0]


def test_without_a_collector_nothing_of_opentelemetry_is_imported(without):
    assert without["imported"] == []
    assert without["caused"]


def test_a_collector_that_is_away_changes_no_answer_and_gets_no_secret_logged(
    mongo_url, without
) -> None:
    found, said = run(
        mongo_url,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://ann:secret-password@127.0.0.1:{free_port()}/",
        OTEL_EXPORTER_OTLP_HEADERS="authorization=secret-header",
    )
    assert "opentelemetry.sdk" in found.pop("imported")
    assert found == {key: without[key] for key in found}
    assert "Failed to export spans" in said
    assert "secret" not in said
    assert all(json.loads(line) for line in said.splitlines() if line)


def test_what_a_handler_could_not_do_is_seen_but_not_what_it_said(mongo_url) -> None:
    found, _ = run(mongo_url, FAILING, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert found["failed"] == [["handle a.b", "ERROR"]]
    assert found["calls"]  # it was parked
    assert "ValueError" in found["text"]
    assert "ann@shop.example" not in found["text"]
