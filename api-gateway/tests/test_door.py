"""The door: whom it lets in, and what the others are told."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from conftest import Service, serving, wait_until
from gateway.chassis.metrics import REGISTRY

MOST = 8


def hang_up(handler: Any) -> None:
    handler.close_connection = True  # without an answer


class Shop:
    """A gateway whose requests to services last until they may end."""

    def __init__(self, app: Flask, services: dict[str, Service]) -> None:
        self.app, self.services = app, services
        self.may_end = threading.Event()
        self.threads = ThreadPoolExecutor(2 * MOST)
        for service in services.values():
            service.answers["/products"] = self._answer

    def _answer(self, handler: Any) -> None:
        self.may_end.wait(20)
        handler.tell({"items": []})

    def get(self, path: str) -> TestResponse:
        return self.app.test_client().get(path)

    def begin(self, count: int) -> list[Future[TestResponse]]:
        """So many requests for products, that were all let in."""
        inside = self.app.extensions["door"]._inside
        begun = [self.threads.submit(self.get, "/products") for _ in range(count)]
        wait_until(lambda: inside["products"] == count)
        return begun


@pytest.fixture
def shop(make_app: Callable[..., Flask], services: dict[str, Service]) -> Iterator[Shop]:
    app = make_app(upstream_connections=MOST)
    shop = Shop(app, services)
    yield shop
    shop.may_end.set()
    shop.threads.shutdown()


def test_once_it_is_full_the_next_is_turned_away_at_once(shop: Shop) -> None:
    begun = shop.begin(MOST)
    refused = shop.get("/products?limit=5")
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    assert refused.content_type == "application/problem+json"
    assert refused.json["status"] == 503
    assert refused.json["instance"] == "/products"
    assert refused.json["request_id"] == refused.headers["X-Request-Id"]
    shop.may_end.set()
    assert {each.result().status_code for each in begun} == {200}
    assert shop.get("/products").status_code == 200


def test_meanwhile_health_and_other_services_answer(shop: Shop) -> None:
    shop.begin(MOST)
    assert shop.get("/products").status_code == 503
    assert shop.get("/health/live").status_code == 200
    assert shop.get("/health").status_code == 200
    assert shop.get("/.well-known/jwks.json").status_code == 200


def test_who_is_turned_away_is_counted(shop: Shop) -> None:
    def counted() -> float | None:
        return REGISTRY.get_sample_value("shop_turned_away_total", {"upstream": "products"})

    before = counted()
    shop.begin(MOST)
    shop.get("/products")
    assert counted() == before + 1


def test_a_request_that_fails_leaves_too(shop: Shop) -> None:
    shop.services["products"].answers["/products/x"] = hang_up
    failed = {shop.get("/products/x").status_code for _ in range(2 * MOST)}
    assert failed == {502, 503}  # away, and then left alone
    assert not any(shop.app.extensions["door"]._inside.values())


def test_however_many_wait_for_services_the_gateway_itself_answers(
    settings: dict[str, Any], services: dict[str, Service]
) -> None:
    may_end = threading.Event()
    services["products"].answers["/products"] = lambda handler: (
        may_end.wait(20),
        handler.tell({"items": []}),
    )
    many = 64
    with serving({**settings, "upstream_connections": many}) as url:
        with ThreadPoolExecutor(many) as people:
            asked = [people.submit(status_of, f"{url}/products?limit={n}") for n in range(1, many)]
            wait_until(lambda: services["products"].reached == many - 1)
            assert status_of(f"{url}/health/live") == 200
            may_end.set()
            assert {each.result() for each in asked} == {200}


def status_of(url: str) -> int:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.status
