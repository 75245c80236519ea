"""What can be reached, and how."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from conftest import Service
from gateway.routing import TABLE, Row


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_takes_each_row_to_its_service_on_the_same_path(
    client: FlaskClient, services: dict[str, Service], bearer: dict[str, str], row: Row
) -> None:
    path = row.path.replace("<id>", "0198c0de-1")
    for method in row.methods:
        answer = client.open(path, method=method, headers={} if row.public else bearer)
        if path == "/.well-known/jwks.json":
            assert answer.json["keys"]
            continue
        assert (answer.status_code, answer.json["service"]) == (200, row.service)
        assert (answer.json["method"], answer.json["target"]) == (method, path)


@pytest.mark.parametrize("row", [r for r in TABLE if not r.public], ids=lambda row: row.name)
def test_lets_nobody_without_a_token_reach_a_row_that_is_not_public(
    client: FlaskClient, services: dict[str, Service], row: Row
) -> None:
    for method in row.methods:
        answer = client.open(row.path.replace("<id>", "x"), method=method)
        assert answer.status_code == 401
        assert answer.json["title"] == "Unauthorized"
    assert services[row.service].reached == 0


@pytest.mark.parametrize(
    "path",
    [
        "/auth", "/auth/login/", "/products//", "/products/", "/products/a/b", "/users/a/b",
        "/products/..", "/products/%2e%2e", "/products/a%2Fb", "/products/%00", "/products/a%20b",
        "/products/../users", "/Products", "/metrics", "/users/health/live", "/health/x",
        "/products/" + "x" * 65, "/admin", "/.well-known/openid-configuration",
    ],
)  # fmt: skip
def test_knows_no_path_that_is_not_in_the_table(
    client: FlaskClient, services: dict[str, Service], bearer: dict[str, str], path: str
) -> None:
    answer = client.get(path, headers=bearer)
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    assert sum(s.reached for name, s in services.items() if name != "users") == 0


@pytest.mark.parametrize("path", ["//", "//products", "///products"])
def test_a_path_begins_with_one_slash(
    client: FlaskClient, services: dict[str, Service], path: str
) -> None:
    # as gunicorn passes it on; a client of werkzeug would take what follows // for a host
    assert client.get("/", environ_overrides={"PATH_INFO": path}).status_code == 404
    assert services["products"].reached == 0


def test_says_which_methods_a_path_has(client: FlaskClient, bearer: dict[str, str]) -> None:
    answer = client.delete("/products", headers=bearer)
    assert answer.status_code == 405
    assert answer.mimetype == "application/problem+json"
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}
    assert client.open("/products", method="TRACE", headers=bearer).status_code == 405


def test_does_not_show_the_health_and_pages_of_services(
    client: FlaskClient, services: dict[str, Service]
) -> None:
    for path in ("/health/live", "/docs", "/openapi.json"):
        assert client.get(path).status_code == 200
    assert sum(service.reached for service in services.values()) == 0


def test_passes_the_query_unchanged(client: FlaskClient, services: dict[str, Service]) -> None:
    query = "q=a%2fb%20c+d&q=&x=%zz&id=1&id=2&%C3%A9=%c3%a9&y=a=b;c"
    client.get(f"/products?{query}")
    assert services["products"].seen[-1]["target"] == f"/products?{query}"


def test_does_not_look_at_tokens_on_public_rows(
    client: FlaskClient, services: dict[str, Service]
) -> None:
    answer = client.get("/.well-known/jwks.json", headers={"Authorization": "Bearer nonsense"})
    assert answer.status_code == 200
    assert services["users"].seen[-1]["headers"]["authorization"] == "Bearer nonsense"
