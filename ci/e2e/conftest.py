"""A running shop for the end-to-end tests, an admin, customers, and a way to wait."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest
import requests
from place import SERVICES, with_database

from real_servers import free_port

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

    secrets: ClassVar[set[str]] = set()  # what all of them had, and what no log may tell

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self.base_url = base_url
        self.trust_env = False  # never through a proxy
        self.email = self.password = self.user_id = self.refresh_token = ""

    def request(self, method: str, path: str, **options: object) -> requests.Response:
        """The answer; a token that a service wants refreshed first, because it is old, is."""
        options.setdefault("timeout", 15)
        answer = super().request(method, self.base_url + path, **options)
        if answer.status_code == 401 and "refresh the token" in answer.text and self.refresh_token:
            self._take(self.post("/auth/refresh", json={"refresh_token": self.refresh_token}))
            answer = super().request(method, self.base_url + path, **options)
        return answer

    def log_in(self, email: str, password: str) -> dict:
        self.secrets.add(password)
        answer = self.post("/auth/login", json={"email": email, "password": password})
        self._take(answer)
        self.email, self.password = email, password
        me = self.get("/users/me")
        assert me.status_code == 200, me.text
        self.user_id = me.json()["id"]
        return answer.json()

    def _take(self, answer: requests.Response) -> None:
        assert answer.status_code == 200, answer.text
        self.refresh_token = answer.json()["refresh_token"]
        self.secrets.update({self.refresh_token, answer.json()["access_token"]})
        self.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def eventually(check: Callable[[], Answer], timeout: float = 30, pause: float = 0.05) -> Answer:
    """The first true answer of check; fails with its last one after timeout seconds."""
    deadline, last = time.monotonic() + timeout, None
    while time.monotonic() < deadline:
        if last := check():
            return last
        time.sleep(pause)
    pytest.fail(f"not within {timeout} s; the last answer was {last!r}")


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


@contextmanager
def started(run_dir: Path, **more: str) -> Iterator[Shop]:
    """A shop of its own, with what more its processes are told."""
    port = free_port()
    environment = {
        "RUN_DIR": str(run_dir),
        "GATEWAY_PORT": str(port),
        # Tests wait by asking again and again, more often than one address may.
        "RATE_LIMIT": "100000/minute",
        # What becomes of an order is for its stock to say, however slow the machine is.
        "SAGA_TIMEOUT": "600",
        **more,
    }
    try:
        run_shop("up", environment)
        credentials = json.loads((run_dir / "credentials.json").read_text())
        yield Shop(f"http://127.0.0.1:{port}", credentials, run_dir)
    finally:
        run_shop("down", environment)


@pytest.fixture(scope="session")
def databases() -> Iterator[None]:
    """On the server that MONGO_URL names, if it does: databases of this run alone."""
    given = os.environ.get("MONGO_URL")
    if not given:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        url = with_database(given, f"e2e_{uuid.uuid4().hex[:8]}")
        patch.setenv("MONGO_URL", url)
        yield
        import pymongo  # only here: who tests the clients of the API has none

        with pymongo.MongoClient(given) as client:
            for name in SERVICES:
                client.drop_database(with_database(url, name).rpartition("/")[2].partition("?")[0])


@pytest.fixture(scope="session")
def shop(databases: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop of its own, or the one that SHOP_URL and SHOP_CREDENTIALS (a file) name."""
    if url := os.environ.get("SHOP_URL"):
        file = Path(os.environ.get("SHOP_CREDENTIALS") or ROOT / ".run/credentials.json")
        yield Shop(url.rstrip("/"), json.loads(file.read_text()), None)
        return
    with started(tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest.fixture
def run_dir(shop: Shop) -> Path:
    """The folder of a shop of our own, whose processes may be stopped and whose logs be read."""
    if shop.run_dir is None:
        pytest.skip("a shop that was running already is left as it is")
    return shop.run_dir


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


@pytest.fixture
def product(admin: Client) -> Callable[..., dict]:
    """Puts a new product on sale: product(), product(stock=3, amount=999, name="Red mug")."""

    def make(stock: int = 10, amount: int = 1250, **more: object) -> dict:
        body = {
            "sku": f"SKU-{uuid.uuid4().hex[:10].upper()}",
            "name": "Blue mug",
            "description": "Holds tea.",
            "price": {"amount": amount, "currency": "EUR"},
            "category": "kitchen",
            "stock": stock,
            **more,
        }
        answer = admin.post("/products", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return make


def place(client: Client, *wanted: tuple[dict, int], key: str | None = None) -> requests.Response:
    """The answer to an order of so many of each product."""
    items = [{"product_id": p["id"], "quantity": quantity} for p, quantity in wanted]
    headers = {"Idempotency-Key": key or str(uuid.uuid4())}
    return client.post("/orders", json={"items": items}, headers=headers)


def settled(client: Client, order: dict) -> dict:
    """The order, when it is no longer pending.

    On a Redis as the broker an event that was lost on the way comes again after 30 seconds.
    """

    def look() -> dict | None:
        found = client.get(f"/orders/{order['id']}").json()
        return found if found["status"] != "pending" else None

    return eventually(look, timeout=90)


def stock_of(client: Client, product: dict) -> int:
    now = {"Cache-Control": "no-cache"}  # the gateway's answer may be a second old
    return client.get(f"/products/{product['id']}", headers=now).json()["stock"]


def kinds(client: Client, order: dict) -> set[str]:
    """What the customer was told about the order."""
    items = client.get("/notifications").json()["items"]
    return {n["kind"] for n in items if n["data"].get("order_id") == order["id"]}


def pytest_configure() -> None:
    # A test run that is told to stop stops its shop too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name == "test_logs.py")  # it reads what all others left
    if not os.environ.get("BROKER_URL", "").startswith("amqp"):
        reason = "needs a real RabbitMQ: `make test-real`"
        for item in items:
            if item.get_closest_marker("real"):
                item.add_marker(pytest.mark.skip(reason=reason))
