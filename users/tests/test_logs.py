"""One JSON line per request, and no secret in any."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from conftest import PASSWORD
from users.chassis import logs


@pytest.fixture
def at_debug() -> Iterator[None]:
    yield
    logs.configure("users")


def test_logs_each_request_and_no_secret(
    at_debug: None, client: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("users", "DEBUG")
    body = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann"}
    client.post("/auth/register", json=body)
    body.pop("name")
    client.post("/auth/login", json={**body, "password": "a wrong password"})
    tokens = client.post("/auth/login", json=body).json
    refresh = {"refresh_token": tokens["refresh_token"]}
    headers = {"Authorization": f"Bearer {tokens['access_token']}", "X-Request-Id": "mine"}
    client.get("/users/me", headers=headers)
    client.get("/users/me", headers={"Authorization": "Bearer forged"})
    again = client.post("/auth/refresh", json=refresh).json
    client.post("/auth/refresh", json=refresh)
    written = capsys.readouterr()
    secrets = [PASSWORD, "a wrong password", "forged", *refresh.values()]
    secrets += [tokens["access_token"], again["access_token"], again["refresh_token"]]
    for secret in secrets:
        assert secret not in written.out + written.err
    lines = [json.loads(line) for line in written.out.splitlines()]
    seen = [line for line in lines if line["event"] == "request"]
    assert [line["status"] for line in seen] == [201, 401, 200, 200, 401, 200, 401]
    [mine] = [line for line in seen if line["request_id"] == "mine"]
    assert mine["user_id"]
    assert {"time", "level", "service", "trace_id", "method", "route", "duration_ms"} <= mine.keys()
    assert "refresh.reused" in [line["event"] for line in lines]
