"""How the gateway is, and how the shop is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from conftest import CLOSED, Handler, Service


def test_sums_up_all_services_and_their_workers(client: FlaskClient) -> None:
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json["status"] == "ok"
    assert set(answer.json["services"]) == {"users", "products", "orders", "notifications"}
    worker = {"status": "ok", "detail": "seen 1 s ago"}
    assert answer.json["services"]["orders"] == {"status": "ok", "checks": {"worker": worker}}


def test_a_degraded_service_is_no_outage(client: FlaskClient, services: dict[str, Service]) -> None:
    gone = {"worker": {"status": "degraded", "detail": "no worker was ever seen"}}
    health = {"status": "degraded", "checks": gone}
    services["orders"].answers["/health/ready"] = lambda handler: handler.tell(health)
    answer = client.get("/health")
    assert (answer.status_code, answer.json["status"]) == (200, "degraded")
    assert answer.json["services"]["orders"] == health


def hang_up(handler: Handler) -> None:
    handler.close_connection = True


STRANGE = {
    "says so": lambda h: h.tell({"status": "down", "checks": {}}, 503),
    "hangs up": hang_up,
    "has no health": lambda h: h.tell({"title": "Not Found"}, 404),
    "is another program": lambda h: h.tell("hello"),
    "says no JSON": lambda h: h.tell({}, Content_Length="1"),
    "has an odd status": lambda h: h.tell({"status": "fine", "checks": {}}),
    "has a list for a status": lambda h: h.tell({"status": [], "checks": {}}),
}


@pytest.mark.parametrize("health", STRANGE.values(), ids=STRANGE)
def test_a_service_is_down_that(
    client: FlaskClient, services: dict[str, Service], health: Callable[[Handler], None]
) -> None:
    services["orders"].answers["/health/ready"] = health
    answer = client.get("/health")
    assert (answer.status_code, answer.json["status"]) == (503, "down")
    assert answer.json["services"]["orders"]["status"] == "down"
    assert answer.json["services"]["users"]["status"] == "ok"


def test_a_service_that_is_away_is_down(make_app: Callable[..., Flask]) -> None:
    answer = make_app(orders_url=CLOSED).test_client().get("/health")
    assert (answer.status_code, answer.json["status"]) == (503, "down")
    detail = answer.json["services"]["orders"]["checks"]["answer"]["detail"]
    assert detail == "Unreachable"


def test_is_alive_whatever_else_is_not(make_app: Callable[..., Flask]) -> None:
    away = {f"{name}_url": CLOSED for name in ("users", "products", "orders", "notifications")}
    client = make_app(**away, cache_url="redis://127.0.0.1:1/0").test_client()
    assert client.get("/health/live").json == {"status": "ok", "checks": {}}
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json["status"] == answer.json["checks"]["cache"]["status"] == "degraded"


def test_is_ready(client: FlaskClient) -> None:
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json["status"]) == (200, "ok")
