"""Products as orders sees it, over real sockets: slow, silent, or gone."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from flask import Flask

from orders import catalogue
from orders.app import create_app
from orders.catalogue import Catalogue
from orders.chassis import breaker
from orders.errors import CatalogueUnavailable
from orders.models import Order
from products_stub import ProductsStub

STUB = ProductsStub()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Products

    def do_GET(self) -> None:
        self.server.reached += 1
        self.server.answer(self)

    def sell(self) -> None:
        """Whatever was asked for is a mug of 5 euros."""
        query = STUB.take("GET", self.path, self.headers)
        price = {"amount": 500, "currency": "EUR"}
        self.tell(200, STUB.page([{"id": pk, "price": price} for pk in query["id"]]))

    def tell(self, status: int, answer: object = None) -> None:
        body = json.dumps(answer or STUB.answer(status)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


class Products(ThreadingHTTPServer):
    """A toy products; `answer` says how, `reached` counts the questions."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: Callable[[Handler], None] = Handler.sell
        self.reached = 0
        self.url = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def products() -> Iterator[Products]:
    with Products() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def shelf(products: Products) -> Iterator[Catalogue]:
    shelf = Catalogue(products.url)
    yield shelf
    shelf.session.close()


@pytest.fixture
def shop(products: Products, settings) -> Iterator[Flask]:
    """Orders, in front of the toy products."""
    app = create_app(replace(settings, products_url=products.url))
    yield app
    app.extensions["catalogue"].session.close()


def is_refused(shelf: Catalogue) -> bool:
    try:
        shelf.find(["mug"])
    except CatalogueUnavailable:
        return True
    return False


def test_asks_once_more_when_a_kept_connection_was_closed(products, shelf):
    shelf.find(["mug"])

    def once(handler: Handler) -> None:
        products.answer = Handler.sell
        handler.hang_up()

    products.answer = once
    assert shelf.find(["mug"])["mug"].amount == 500
    assert products.reached == 3


def test_does_not_wait_twice_for_silence(products, shelf, monkeypatch):
    monkeypatch.setattr(catalogue, "TIMEOUT", (1, 0.05))
    done = threading.Event()
    products.answer = lambda _: done.wait()
    assert is_refused(shelf)
    assert products.reached == 1
    done.set()


@pytest.mark.parametrize("how", [Handler.hang_up, lambda handler: handler.tell(503)])
def test_leaves_products_alone_when_it_has_failed_too_often(products, shelf, monkeypatch, how):
    products.answer = how
    assert all(is_refused(shelf) for _ in range(breaker.FAILURES))
    reached = products.reached
    products.answer = Handler.sell
    with pytest.raises(CatalogueUnavailable) as unavailable:
        shelf.find(["mug"])
    assert unavailable.value.retry_after >= 1
    assert products.reached == reached
    monkeypatch.setattr(shelf.breaker, "_clock", lambda: float("inf"))  # some seconds later
    assert shelf.find(["mug"])
    assert products.reached == reached + 1


def test_a_question_that_products_refuses_does_not_count_against_it(products, shelf):
    products.answer = lambda handler: handler.tell(422)
    assert all(is_refused(shelf) for _ in range(breaker.FAILURES + 1))
    assert products.reached == breaker.FAILURES + 1


@pytest.fixture
def buy(shop, as_user) -> Callable[[int], int]:
    """Places an order as a person of that number; the status of the answer."""
    body = {"items": [{"product_id": "mug", "quantity": 1}]}

    def buy(number: int) -> int:
        headers = as_user(f"user-{number}") | {"Idempotency-Key": "k"}
        return shop.test_client().post("/orders", json=body, headers=headers).status_code

    return buy


def test_a_products_that_hangs_holds_few_threads_and_orders_are_shown(
    products, shop, as_user, buy, monkeypatch
):
    """Eight threads, as under gunicorn, all taken by people who buy; then somebody looks."""
    monkeypatch.setattr(catalogue, "TIMEOUT", (1, 60))
    done = threading.Event()
    products.answer = lambda handler: done.wait() and handler.sell()
    with ThreadPoolExecutor(8) as threads:
        buying = [threads.submit(buy, number) for number in range(40)]
        looking = threads.submit(lambda: shop.test_client().get("/orders", headers=as_user()))
        assert looking.result().status_code == 200
        answered = as_completed(buying)
        refused = [next(answered).result() for _ in range(40 - catalogue.AT_ONCE)]
        assert set(refused) == {503}
        done.set()
        assert [next(answered).result() for _ in range(catalogue.AT_ONCE)] == [201] * 4
    assert products.reached == catalogue.AT_ONCE


def test_many_who_buy_at_once_are_all_served_while_products_answers(buy, monkeypatch):
    monkeypatch.setattr(breaker, "STUCK_SECONDS", 60)  # this machine may be slow
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(buy, range(60))) == {201}
    assert Order.objects.count() == 60
