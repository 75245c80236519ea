"""The contract, and what is served beside it."""

from __future__ import annotations

from pathlib import Path

from products.app import make_contract

# The nearest ones: beside the service, or in it where it is a repository of its own.
CONTRACTS = next(filter(Path.is_dir, (at / "contracts" for at in Path(__file__).parents)))


def test_the_committed_contract_is_what_the_app_promises():
    assert (CONTRACTS / "products.openapi.json").read_bytes() == make_contract()


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
