"""The contract, and what is served beside it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest

from notifications.app import make_contract
from notifications.chassis import health, sessions
from notifications.chassis.outbox import new_event, now, rfc3339
from notifications.events import HEARS

# The nearest ones: beside the service, or in it where it is a repository of its own.
CONTRACTS = next(filter(Path.is_dir, (at / "contracts" for at in Path(__file__).parents)))


def test_the_committed_contract_is_what_the_app_promises():
    assert (CONTRACTS / "notifications.openapi.json").read_bytes() == make_contract()


@pytest.mark.parametrize("event", HEARS)
def test_reads_an_event_as_the_contract_of_its_teller_shows_it(event):
    contracts = [json.loads(file.read_bytes()) for file in CONTRACTS.glob("*.openapi.json")]
    [told] = [c["webhooks"][event]["post"] for c in contracts if event in c.get("webhooks", {})]
    [media] = told["requestBody"]["content"].values()
    view = jsonschema_rs.validator_for(HEARS[event], validate_formats=True)
    assert [error.message for error in view.iter_errors(media["example"]["data"])] == []


def test_serves_its_contract_and_a_page_to_explore_it(client):
    assert client.get("/openapi.json").data == make_contract()
    page = client.get("/docs")
    assert page.status_code == 200
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    for asset in ("swagger-ui-bundle.js", "start.js", "notifications.openapi.json"):
        assert client.get(f"/docs/{asset}", buffered=True).status_code == 200


def test_tells_whether_it_is_alive_and_what_it_lacks(client, inbox, monkeypatch):
    monkeypatch.setattr(sessions, "REREAD_SECONDS", 0.0)
    assert client.get("/health/live").json == {"status": "ok", "checks": {}}
    health.WorkerBeat.objects.delete()
    ready = client.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json["status"] == "degraded"
    health.beat(True)
    data = {"until": rfc3339(now())}
    inbox.handle(new_event("users", "sessions.told", "sessions", 1, data))
    assert client.get("/health/ready").json["status"] == "ok"
    health.say_goodbye()
