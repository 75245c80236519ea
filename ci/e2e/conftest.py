"""A running shop for the end-to-end tests, an admin, customers, and a way to wait."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
import requests

ROOT = Path(__file__).resolve().parent.parent.parent
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Shop:
    """Where the shop is; run_dir is None for one that was running already."""

    base_url: str
    credentials: dict[str, str]
    run_dir: Path | None


class Client(requests.Session):
    """A session on the shop: paths in place of addresses, with somebody's token."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self.base_url = base_url
        self.trust_env = False  # never through a proxy
        self.email = self.password = self.user_id = ""

    def request(self, method: str, path: str, **options: object) -> requests.Response:
        options.setdefault("timeout", 15)
        return super().request(method, self.base_url + path, **options)

    def log_in(self, email: str, password: str) -> dict:
        answer = self.post("/auth/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        self.email, self.password = email, password
        self.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        me = self.get("/users/me")
        assert me.status_code == 200, me.text
        self.user_id = me.json()["id"]
        return answer.json()


def eventually(check: Callable[[], Answer], timeout: float = 30) -> Answer:
    """The first true answer of check; fails with its last one after timeout seconds."""
    deadline, last = time.monotonic() + timeout, None
    while time.monotonic() < deadline:
        if last := check():
            return last
        time.sleep(0.05)
    pytest.fail(f"not within {timeout} s; the last answer was {last!r}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_shop(command: str, environment: dict[str, str]) -> None:
    """One command of the embedded runner; its output is shown when it fails."""
    script = str(ROOT / "compose/embedded/shop.py")
    done = subprocess.run(
        [sys.executable, script, command],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        pytest.exit(f"shop.py {command} failed:\n{done.stdout}", returncode=1)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop of its own, or the one that SHOP_URL and SHOP_CREDENTIALS (a file) name."""
    if url := os.environ.get("SHOP_URL"):
        file = Path(os.environ.get("SHOP_CREDENTIALS") or ROOT / ".run/credentials.json")
        yield Shop(url.rstrip("/"), json.loads(file.read_text()), None)
        return
    run_dir, port = tmp_path_factory.mktemp("shop"), free_port()
    # Tests wait by asking again and again, more often than one address may.
    many = {"RATE_LIMIT": "100000/minute"}
    environment = {"RUN_DIR": str(run_dir), "GATEWAY_PORT": str(port), **many}
    try:
        run_shop("up", environment)
        credentials = json.loads((run_dir / "credentials.json").read_text())
        yield Shop(f"http://127.0.0.1:{port}", credentials, run_dir)
    finally:
        run_shop("down", environment)


@pytest.fixture(scope="session")
def base_url(shop: Shop) -> str:
    return shop.base_url


@pytest.fixture
def visitor(base_url: str) -> Client:
    """Somebody who is not logged in."""
    return Client(base_url)


@pytest.fixture(scope="session")
def admin(shop: Shop) -> Client:
    client = Client(shop.base_url)
    client.log_in(shop.credentials["email"], shop.credentials["password"])
    return client


@pytest.fixture
def customer(base_url: str) -> Callable[..., Client]:
    """Makes a new customer, registered and logged in: customer(), customer(name="Ada")."""

    def make(name: str = "Customer") -> Client:
        client = Client(base_url)
        login = {"email": f"{uuid.uuid4().hex}@shop.example", "password": uuid.uuid4().hex}
        answer = client.post("/auth/register", json={**login, "name": name})
        assert answer.status_code == 201, answer.text
        client.log_in(**login)
        return client

    return make


def pytest_configure() -> None:
    # A test run that is told to stop stops its shop too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not os.environ.get("BROKER_URL", "").startswith("amqp"):
        reason = "needs a real RabbitMQ: `make test-real`"
        for item in items:
            if item.get_closest_marker("real"):
                item.add_marker(pytest.mark.skip(reason=reason))
