"""Which pages of other origins may call."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import Headers

from conftest import CLOSED, Service
from gateway.chassis.environment import SettingsError

SHOP, ADMIN = "https://shop.example", "http://localhost:3000"


@pytest.fixture
def client(make_app: Callable[..., Flask]) -> FlaskClient:
    return make_app(cors_origins=(SHOP, ADMIN)).test_client()


def granted(headers: Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("Access-Control")}


def preflight(client: FlaskClient, origin: str, path: str = "/orders", method: str = "POST"):
    asked = {"Access-Control-Request-Method": method}
    asked["Access-Control-Request-Headers"] = "authorization, idempotency-key, x-evil"
    return client.options(path, headers={"Origin": origin, **asked})


@pytest.mark.parametrize("origin", [SHOP, ADMIN])
def test_lets_pages_of_listed_origins_read(client: FlaskClient, origin: str) -> None:
    answer = client.get("/products", headers={"Origin": origin})
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    shown = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert {"ETag", "Link", "Location", "Retry-After", "X-Request-Id"} <= shown
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example", "http://shop.example", "https://shop.example:444", "null", "*",
        "https://shop.example.evil.example", "https://evil-shop.example", "https://shopXexample",
        "https://shop.example/", "https://shop.example, https://evil.example", "",
    ],
)  # fmt: skip
def test_grants_nothing_to_other_origins(client: FlaskClient, origin: str) -> None:
    assert granted(client.get("/products", headers={"Origin": origin}).headers) == {}
    assert granted(preflight(client, origin).headers) == {}


def test_says_nothing_to_those_who_are_no_page(client: FlaskClient) -> None:
    assert granted(client.get("/products").headers) == {}


def test_answers_preflights_itself(client: FlaskClient, services: dict[str, Service]) -> None:
    answer = preflight(client, SHOP)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization, idempotency-key"
    assert answer.headers["Access-Control-Max-Age"] == "600"
    assert sum(service.reached for service in services.values()) == 0


def test_lets_pages_read_problems_too(make_app: Callable[..., Flask]) -> None:
    client = make_app(cors_origins=(SHOP,), products_url=CLOSED).test_client()
    for path, status in (("/orders", 401), ("/nowhere", 404), ("/products", 502)):
        answer = client.get(path, headers={"Origin": SHOP})
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP


def test_tells_caches_that_answers_differ_by_origin(client: FlaskClient) -> None:
    for headers in ({}, {"Origin": SHOP}, {"Origin": "https://evil.example"}):
        assert "Origin" in client.get("/products", headers=headers).vary


def test_lets_nobody_call_unless_somebody_is_listed(make_app: Callable[..., Flask]) -> None:
    client = make_app().test_client()
    assert granted(client.get("/products", headers={"Origin": SHOP}).headers) == {}
    assert granted(preflight(client, SHOP).headers) == {}


@pytest.mark.parametrize("origin", ["*", "https://*.example", "shop.example", ".*", "null"])
def test_origins_are_named_one_by_one(make_app: Callable[..., Flask], origin: str) -> None:
    with pytest.raises(SettingsError, match="CORS_ORIGINS"):
        make_app(cors_origins=(SHOP, origin))
