"""The gateway's own metrics, on a port of their own; and that nobody outside gets any."""

from __future__ import annotations

import contextlib
import http.client
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from conftest import CLOSED, free_port, serving


def ask(url: str, path: str) -> int:
    place = urlsplit(url)
    with contextlib.closing(http.client.HTTPConnection(place.netloc, timeout=20)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


def scrape(bind: str) -> dict[tuple[str, ...], float]:
    """{(name, label value, …): value}, the values by the names of the labels."""
    with urllib.request.urlopen(f"http://{bind}/metrics") as answer:
        text = answer.read().decode()
    return {
        (sample.name, *(text for _, text in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counts_by_route_and_service_and_shows_it_elsewhere(
    settings: dict[str, Any], services: dict
) -> None:
    bind = f"127.0.0.1:{free_port()}"
    told = {**settings, "metrics_bind": bind, "users_url": CLOSED, "rate_limit": "7/hour"}
    with serving(told) as url:
        for path in ("/products/1", "/products/2", *["/.well-known/jwks.json"] * 4, "/metrics"):
            ask(url, path)
        assert [ask(url, "/products") for _ in range(3)] == [200, 429, 429]
        found = scrape(bind)
    requests = "shop_http_requests_total", "GET"
    assert found[*requests, "/products/<id>", "200"] == 2
    assert found[*requests, "/.well-known/jwks.json", "502"] == 4
    assert found[*requests, "-", "404"] == 1
    assert found[*requests, "/products", "429"] == 2
    calls = "shop_upstream_calls_total"
    assert found[calls, "answered", "products"] == 3
    assert found[calls, "failed", "users"] == 4
    assert found["shop_upstream_breaker_open", "users"] == 1, "it has not answered since"
    assert found["shop_upstream_breaker_open", "products"] == 0
    assert found["shop_rate_limited_total", "7 per 1 hour"] == 2


@pytest.mark.parametrize(
    "path", ["/metrics", "/metrics/", "//metrics", "/products/../metrics", "/orders/metrics/x"]
)
def test_nobody_outside_is_shown_metrics_of_anything(gateway: str, services: dict, path: str):
    assert ask(gateway, path) == 404
    assert not any(service.seen for service in services.values())
