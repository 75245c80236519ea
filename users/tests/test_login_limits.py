"""Log-ins are counted, by address and e-mail and by address, with Redis and without."""

from __future__ import annotations

from dataclasses import replace

import pytest
import redis
from flask.testing import FlaskClient

from users.app import create_app
from users.settings import Settings


@pytest.fixture(params=["with Redis", "while Redis is away"])
def counted(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    limits = {"login_limit": "3 per minute", "login_address_limit": "5 per minute"}
    if request.param == "with Redis":
        url = request.getfixturevalue("cache_url")
        with redis.Redis.from_url(url) as client:
            client.flushdb()
        limits["cache_url"] = url
    return replace(settings, **limits)


@pytest.fixture
def limited(counted: Settings) -> FlaskClient:
    return create_app(counted).test_client()


def log_in(
    client: FlaskClient, email: str, times: int = 1, address: str = "192.0.2.1"
) -> list[int]:
    body = {"email": email, "password": "wrong password"}
    headers = {"X-Forwarded-For": address}
    return [
        client.post("/auth/login", json=body, headers=headers).status_code for _ in range(times)
    ]


def test_one_account_is_tried_only_so_often(limited: FlaskClient) -> None:
    assert log_in(limited, "ann@example.com", 4) == [401, 401, 401, 429]
    assert log_in(limited, "ANN@example.com") == [429]
    assert log_in(limited, "bob@example.com") == [401]
    assert log_in(limited, "ann@example.com", address="192.0.2.2") == [401]


def test_one_address_tries_only_so_often(limited: FlaskClient) -> None:
    tried = [log_in(limited, f"{n}@example.com")[0] for n in range(6)]
    assert tried == [401] * 5 + [429]


def test_the_refusal_says_when_to_come_again(limited: FlaskClient) -> None:
    log_in(limited, "ann@example.com", 3)
    body = {"email": "ann@example.com", "password": "wrong password"}
    answer = limited.post("/auth/login", json=body, headers={"X-Forwarded-For": "192.0.2.1"})
    assert (answer.status_code, answer.mimetype) == (429, "application/problem+json")
    assert 1 <= int(answer.headers["Retry-After"]) <= 61


def test_only_the_last_hop_is_believed_about_the_address(limited: FlaskClient) -> None:
    tried = [
        log_in(limited, "ann@example.com", address=f"203.0.113.{n}, 192.0.2.1")[0] for n in range(4)
    ]
    assert tried == [401, 401, 401, 429]


def test_without_a_proxy_the_header_is_not_believed(counted: Settings) -> None:
    client = create_app(replace(counted, trusted_proxies=0)).test_client()
    tried = [log_in(client, "ann@example.com", address=f"203.0.113.{n}")[0] for n in range(4)]
    assert tried == [401, 401, 401, 429]


def test_processes_count_together(cache_url: str, counted: Settings) -> None:
    shared = replace(counted, cache_url=cache_url)
    with redis.Redis.from_url(cache_url) as client:
        client.flushdb()
    one, other = create_app(shared).test_client(), create_app(shared).test_client()
    tried = [log_in(client, "ann@example.com")[0] for client in (one, other, one, other)]
    assert tried == [401, 401, 401, 429]


def test_guessing_the_current_password_counts_too(counted: Settings, person) -> None:
    ann = replace(person(), client=create_app(counted).test_client())
    body = {"password": "another good password", "current_password": "a guess"}
    assert [ann.patch(**body).status_code for _ in range(4)] == [422, 422, 422, 429]
    assert ann.patch(name="Ann").status_code == 200


def test_health_tells_when_redis_is_away(limited: FlaskClient, counted: Settings) -> None:
    check = limited.get("/health/ready").json["checks"]["cache"]
    there = not counted.cache_url.endswith(":1")
    assert check["status"] == ("ok" if there else "degraded")
