"""The contract, and what is served beside it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest

from products.app import make_contract
from products.events import HEARS

# The nearest ones: beside the service, or in it where it is a repository of its own.
CONTRACTS = next(filter(Path.is_dir, (at / "contracts" for at in Path(__file__).parents)))


def test_the_committed_contract_is_what_the_app_promises():
    assert (CONTRACTS / "products.openapi.json").read_bytes() == make_contract()


@pytest.mark.parametrize("event", HEARS)
def test_reads_an_event_as_the_contract_of_its_teller_shows_it(event):
    contracts = [json.loads(file.read_bytes()) for file in CONTRACTS.glob("*.openapi.json")]
    [told] = [c["webhooks"][event]["post"] for c in contracts if event in c.get("webhooks", {})]
    [media] = told["requestBody"]["content"].values()
    view = jsonschema_rs.validator_for(HEARS[event], validate_formats=True)
    assert [error.message for error in view.iter_errors(media["example"]["data"])] == []


def test_serves_its_contract_and_a_page_to_explore_it(client):
    assert client.get("/openapi.json").data == make_contract()
    assert client.get("/docs").status_code == 200


def test_tells_whether_it_is_alive_and_what_it_lacks(client):
    assert client.get("/health/live").json == {"status": "ok", "checks": {}}
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json["status"]) == (200, "degraded")
    assert ready.json["checks"]["database"]["status"] == "ok"
    assert ready.json["checks"]["cache"]["status"] == "ok"
    assert ready.json["checks"]["worker"]["detail"] == "no worker was ever seen"
