"""Answers that services let be shared: kept for a moment, and never older than what was seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Lock
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from conftest import Handler, Service, wait_until
from gateway import cache
from gateway.store import Store
from test_limits import cache_port  # noqa: F401 — a fixture

SHARED = "public, max-age=0, s-maxage=60"  # so long that nothing here ends by itself


class Ware:
    """A product in a toy service: its stock is also its version."""

    def __init__(self, service: Service) -> None:
        self.stock, self.told, self._lock = 0, 0, Lock()
        self.before: Callable[[], None] = lambda: None  # what is done before it answers
        service.answers["/products/1"] = self.answer

    def answer(self, handler: Handler) -> None:
        with self._lock:
            self.stock += handler.command == "PATCH"
            stock, self.told = self.stock, self.told + (handler.command == "GET")
        if handler.command == "GET":
            self.before()
        handler.tell({"stock": stock}, ETag=f'"{stock}"', Cache_Control=SHARED)


@pytest.fixture
def ware(services: dict[str, Service]) -> Ware:
    return Ware(services["products"])


@pytest.fixture
def gateways(
    make_app: Callable[..., Flask],
    cache_port: int,  # noqa: F811
    bearer: dict[str, str],
) -> list[FlaskClient]:
    """Two of one shop."""
    with redis.Redis(port=cache_port, db=4) as kept:
        kept.flushdb()
    url = f"redis://127.0.0.1:{cache_port}/4"
    return [make_app(cache_url=url).test_client() for _ in range(2)]


def stock(gateway: FlaskClient, **headers: str) -> int:
    answer = gateway.get(
        "/products/1", headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    assert answer.status_code == 200
    return answer.json["stock"]


def test_a_shared_answer_is_asked_for_once(gateways: list[FlaskClient], ware: Ware) -> None:
    first, *rest = [gateway.get("/products/1") for gateway in gateways * 3]
    assert ware.told == 1
    assert "Age" not in first.headers
    for answer in rest:
        assert answer.json == {"stock": 0}
        assert answer.headers["ETag"] == '"0"'
        assert answer.headers["Content-Type"] == first.headers["Content-Type"]
        assert answer.headers["Content-Length"] == first.headers["Content-Length"]
        assert answer.headers["Age"] == "0"
        assert answer.headers["X-Request-Id"] != first.headers["X-Request-Id"]


def test_what_was_written_through_one_is_read_through_the_other(
    gateways: list[FlaskClient], ware: Ware, bearer: dict[str, str]
) -> None:
    for count in range(1, 6):
        assert [stock(gateway) for gateway in gateways] == [count - 1] * 2
        assert gateways[count % 2].patch("/products/1", headers=bearer).status_code == 200
        assert [stock(gateway) for gateway in gateways] == [count] * 2


def test_an_answer_that_was_asked_for_before_a_write_is_not_kept_after_it(
    gateways: list[FlaskClient], ware: Ware, bearer: dict[str, str]
) -> None:
    def write() -> None:
        ware.before = lambda: None
        gateways[1].patch("/products/1", headers=bearer)

    ware.before = write  # while the read is under way, and has seen what was
    assert stock(gateways[0]) == 0
    assert [stock(gateway) for gateway in gateways] == [1, 1]


def test_nobody_sees_an_older_answer_after_a_newer_while_others_write(
    gateways: list[FlaskClient], ware: Ware, bearer: dict[str, str]
) -> None:
    """Two write through a gateway, one beside them, as orders move stock; four read."""
    done, start = Event(), Barrier(7)

    def write(gateway: FlaskClient) -> None:
        start.wait()
        for _ in range(60):
            written = gateway.patch("/products/1", headers=bearer).json["stock"]
            assert stock(gateway) >= written

    def move() -> None:
        start.wait()
        while not done.is_set():
            with ware._lock:
                ware.stock += 1
            time.sleep(0.001)

    def read(number: int) -> None:
        start.wait()
        seen = 0
        while not done.is_set():
            found = stock(gateways[number % 2])
            assert found >= seen
            seen = found

    with ThreadPoolExecutor(7) as people:
        readers = [people.submit(read, number) for number in range(4)]
        mover = people.submit(move)
        writers = [people.submit(write, gateway) for gateway in gateways]
        try:
            for writer in writers:
                writer.result(30)
        finally:
            done.set()
        for other in [*readers, mover]:
            other.result(30)


def test_many_at_once_ask_once(gateways: list[FlaskClient], ware: Ware) -> None:
    start = Barrier(20)

    def read(number: int) -> int:
        start.wait()
        return stock(gateways[number % 2])

    with ThreadPoolExecutor(20) as people:
        assert list(people.map(read, range(20))) == [0] * 20
    assert ware.told == 1


def test_is_kept_no_longer_than_the_service_says(
    gateways: list[FlaskClient], services: dict[str, Service], ware: Ware
) -> None:
    services["products"].answers["/products/1"] = lambda handler: (
        setattr(ware, "told", ware.told + 1),
        handler.tell({"stock": ware.told}, Cache_Control="s-maxage=1"),
    )
    assert stock(gateways[0]) == 1
    wait_until(lambda: stock(gateways[0]) == 2)


def test_of_two_who_asked_at_once_none_is_kept_whose_time_was_over(
    gateways: list[FlaskClient], ware: Ware, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first takes so long that another asks too; his answer, the older one, comes last."""
    monkeypatch.setattr(cache, "ALONE", 0.05)

    def slowly() -> None:
        ware.before = lambda: None
        time.sleep(0.1)
        ware.stock = 1
        assert stock(gateways[1]) == 1

    ware.before = slowly
    assert stock(gateways[0]) == 0
    assert [stock(gateway) for gateway in gateways] == [1, 1]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (404, {"Cache_Control": SHARED}),
        (200, {}),
        (200, {"Cache_Control": "no-cache"}),
        (200, {"Cache_Control": "private, s-maxage=60"}),
        (200, {"Cache_Control": SHARED, "Vary": "Accept"}),
    ],
)
def test_what_is_not_for_all_is_not_kept(
    gateways: list[FlaskClient], services: dict[str, Service], status: int, headers: dict[str, Any]
) -> None:
    services["products"].answers["/products"] = lambda handler: handler.tell({}, status, **headers)
    for _ in range(3):
        assert gateways[0].get("/products").status_code == status
    assert services["products"].reached == 3


def test_nobody_waits_for_another_where_nothing_is_kept(
    gateways: list[FlaskClient], services: dict[str, Service], ware: Ware
) -> None:
    many, together = 8, Barrier(8)
    services["products"].answers["/products"] = lambda handler: handler.tell("x" * cache.LARGEST)
    assert stock(gateways[0]) == 0
    assert gateways[0].get("/products").status_code == 200
    services["products"].answers["/products"] = lambda handler: (
        together.wait(20),  # until the last has reached the service
        handler.tell("x" * cache.LARGEST),
    )
    with ThreadPoolExecutor(many) as people:
        asked = [people.submit(gateways[n % 2].get, "/products") for n in range(many)]
        assert {each.result().status_code for each in asked} == {200}
    assert stock(gateways[1]) == 0
    assert ware.told == 1  # and what is kept of others still is


def test_what_was_answered_where_nothing_was_kept_is_followed_by_nothing_older(
    gateways: list[FlaskClient], services: dict[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is asked for another asks alone, in whose answer, an older one, is kept."""
    monkeypatch.setattr(cache, "ALONE", 0.05)
    answers = services["products"].answers
    answers["/products/1"] = lambda handler: handler.tell({"stock": 0})
    assert stock(gateways[0]) == 0

    def slowly(handler: Handler) -> None:
        answers["/products/1"] = lambda handler: handler.tell({"stock": 1}, Cache_Control=SHARED)
        time.sleep(0.1)
        assert stock(gateways[1]) == 1
        answers["/products/1"] = lambda handler: handler.tell({"stock": 2}, Cache_Control=SHARED)
        handler.tell({"stock": 2})

    answers["/products/1"] = slowly
    assert [stock(gateway) for gateway in gateways] == [2, 2]


def test_nothing_of_who_asks_first_reaches_the_service_or_the_others(
    gateways: list[FlaskClient], services: dict[str, Service]
) -> None:
    mine = {"Authorization": "Bearer x", "Cookie": "a=b", "If-None-Match": '"0"', "X-Mine": "1"}
    gateways[0].get("/products", headers=mine)
    seen = services["products"].seen[-1]["headers"]
    not_told = {name.lower() for name in mine} | {"x-forwarded-host", "x-forwarded-proto"}
    assert not not_told & seen.keys()


def test_who_has_it_already_is_told_so(gateways: list[FlaskClient], ware: Ware) -> None:
    for gateway, tag in zip(gateways, ['"0"', 'W/"0"'], strict=True):  # one asks, one does not
        answer = gateway.get("/products/1", headers={"If-None-Match": tag})
        assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", '"0"')
        assert gateway.head("/products/1").headers["Content-Length"] == "12"
    assert ware.told == 1


def test_who_wants_no_kept_answer_gets_a_new_one(gateways: list[FlaskClient], ware: Ware) -> None:
    assert stock(gateways[0]) == 0
    ware.stock = 1
    assert stock(gateways[1], Cache_Control="no-cache") == 1
    assert stock(gateways[0]) == 1


def test_without_redis_it_is_slower_and_not_wrong(
    make_app: Callable[..., Flask], ware: Ware, bearer: dict[str, str]
) -> None:
    gateway = make_app(cache_url="redis://127.0.0.1:1/0").test_client()
    for count in range(3):
        assert stock(gateway) == count
        assert gateway.patch("/products/1", headers=bearer).status_code == 200
    assert ware.told == 3


def test_what_others_kept_while_redis_was_away_is_not_read_after_what_was_newer(
    gateways: list[FlaskClient], ware: Ware, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stock(gateways[1]) == 0
    ware.stock = 1

    with monkeypatch.context() as patch:
        patch.setattr(Store, "insist", lambda *_: None)
        assert stock(gateways[0]) == 1
    assert stock(gateways[0]) == 1


def test_of_two_changes_the_one_that_could_not_be_told_is_not_forgotten(
    gateways: list[FlaskClient],
    ware: Ware,
    bearer: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second comes while the first is told to Redis, and is not."""
    insist = Store.insist

    def then_fail(store: Store, *command: Any) -> Any:
        if command[0] != "SET":
            return insist(store, *command)
        monkeypatch.setattr(Store, "insist", insist)
        told = insist(store, *command)
        assert stock(gateways[1]) == 1
        with monkeypatch.context() as patch:
            patch.setattr(Store, "insist", lambda *_: None)
            gateways[0].patch("/products/1", headers=bearer)
        return told

    monkeypatch.setattr(Store, "insist", then_fail)
    gateways[0].patch("/products/1", headers=bearer)
    assert stock(gateways[0]) == 2


def test_what_could_not_be_forgotten_is_forgotten_before_the_next_read(
    gateways: list[FlaskClient],
    ware: Ware,
    bearer: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert stock(gateways[0]) == 0

    with monkeypatch.context() as patch:
        patch.setattr(Store, "insist", lambda *_: None)
        gateways[0].patch("/products/1", headers=bearer)
    assert stock(gateways[0]) == 1
