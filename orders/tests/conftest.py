"""A real MongoDB-wire server, a shop's worth of tokens, and products played by its contract."""

from __future__ import annotations

import json
import os
import re
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
import requests
import responses
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from flask.testing import FlaskClient

from orders.app import create_app
from orders.chassis.inbox import Inbox
from orders.models import Order
from orders.settings import Settings
from orders.worker import make_inbox
from products_stub import ProductsStub

PRODUCTS = "http://products.test"
JWKS = "http://users.test/.well-known/jwks.json"
KEY = rsa.generate_private_key(65537, 2048)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database server of this run alone, or the one that TEST_MONGO_URL names."""
    name = f"orders_{uuid.uuid4().hex[:8]}"
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
            _wait_for(url)
            yield url
            mongoengine.disconnect_all()
        finally:
            server.terminate()
    shutil.rmtree(folder, ignore_errors=True)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    with pymongo.MongoClient(url, serverSelectionTimeoutMS=500) as client:
        while True:
            try:
                client.admin.command("ping")
                return
            except pymongo.errors.PyMongoError:
                if time.monotonic() > deadline:
                    raise


@pytest.fixture(scope="session")
def settings(mongo_url: str) -> Settings:
    return Settings(
        mongo_url=mongo_url,
        broker_url="redis://127.0.0.1:1",  # nobody listens: these tests need no broker
        cache_url="redis://127.0.0.1:1",
        jwks_url=JWKS,
        products_url=PRODUCTS,
        retry_delays=(0.0, 0.0),
    )


@pytest.fixture(scope="session")
def app(settings: Settings) -> Flask:
    return create_app(settings)


@pytest.fixture(autouse=True)
def _empty(app: Flask) -> None:
    from orders.chassis.parking import ParkedEvent

    Order.objects.delete()
    ParkedEvent.objects.delete()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def inbox(settings: Settings, app: Flask) -> Inbox:
    return make_inbox(settings)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys that users publishes."""
    public = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    published = {"keys": [{**public, "kid": "k1", "use": "sig", "alg": "RS256"}]}
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda self: published)


class Products(ProductsStub):
    """A shop's worth of products; `asked` counts the questions."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        super().__init__()
        self.on_sale: dict[str, dict] = {}
        self.mock = mock
        mock.add_callback(responses.GET, re.compile(f"{PRODUCTS}/"), self._tell)

    def sell(self, amount: int = 1000, currency: str = "EUR", name: str = "Mug") -> str:
        pk = str(uuid.uuid4())
        price = {"amount": amount, "currency": currency}
        self.on_sale[pk] = {"id": pk, "name": name, "price": price}
        return pk

    @property
    def asked(self) -> int:
        return len(self.mock.calls)

    def fail(self, **how: Any) -> None:
        self.mock.replace(responses.GET, re.compile(f"{PRODUCTS}/"), **how)

    def _tell(self, request: requests.PreparedRequest) -> tuple[int, dict, str]:
        query = self.take(request.method, request.url, request.headers)
        page = self.page([self.on_sale[pk] for pk in query["id"] if pk in self.on_sale])
        return 200, {}, json.dumps(page)


@pytest.fixture
def products() -> Iterator[Products]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Products(mock)


@pytest.fixture
def token() -> Callable[..., str]:
    """Makes access tokens as users does; claims can be overridden."""

    def make(
        user_id: str = "ann", *roles: str, key: object = KEY, kid: str = "k1", **claims: object
    ) -> str:
        moment = int(time.time())
        payload = {
            "iss": "shop", "aud": "shop", "sub": user_id, "iat": moment, "nbf": moment,
            "exp": moment + 900, "jti": str(uuid.uuid4()), "sid": str(uuid.uuid4()), "ver": 1,
            "type": "access", "fresh": False, "roles": list(roles) or ["customer"], **claims,
        }  # fmt: skip
        return jwt.encode(payload, key, "RS256", headers={"kid": kid})

    return make


@pytest.fixture
def as_user(token: Callable[..., str]) -> Callable[..., dict[str, str]]:
    """The headers of a request by somebody."""
    return lambda *who, **claims: {"Authorization": f"Bearer {token(*who, **claims)}"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Last comes what looks at the queries of all tests."""
    items.sort(key=lambda item: item.path.stem == "test_indexes")
