"""A shop to fuzz, the two who fuzz it, and a table of what was asked and answered."""

import json
import os
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
import pytest
import requests

from e2e.conftest import Client, Shop, eventually

pytest_plugins = ["e2e.conftest"]

CONTRACTS = Path(__file__).resolve().parent.parent.parent / "contracts"
EXAMPLES = int(os.environ.get("EXAMPLES") or 40)
SEED = int(os.environ.get("SEED") or 1)

# By service and operation, how often each status was the answer.
ANSWERS: Counter[tuple[str, str, int]] = Counter()


class Person(Client):
    """Somebody whose token is never so old that a service may want it refreshed."""

    since = 0.0
    order_id = notification_id = ""

    def post(self, *words: str, **options: object) -> requests.Response:
        """The answer, once it is not that too many log in."""
        while (answer := super().post(*words, **options)).status_code == 429:
            time.sleep(int(answer.headers["Retry-After"]))
        return answer

    def log_in(self, email: str, password: str) -> dict:
        self.since = time.monotonic()
        return super().log_in(email, password)

    def token(self) -> str:
        """The value of the header Authorization."""
        if time.monotonic() - self.since > 40:
            self.since = time.monotonic()
            self._take(self.post("/auth/refresh", json={"refresh_token": self.refresh_token}))
        return self.headers["Authorization"]


def newcomer(users: str, login: dict[str, str] | None = None) -> Person:
    """A customer who just registered at the address of users, and is logged in."""
    person = Person(users)
    login = login or new_login()
    answer = person.post("/auth/register", json={**login, "name": "Customer"})
    assert answer.status_code == 201, answer.text
    person.log_in(**login)
    return person


def new_login() -> dict[str, str]:
    return {"email": f"{uuid.uuid4().hex}@shop.example", "password": uuid.uuid4().hex}


def add_product(admin: Person) -> str:
    """The id of a new product, of which nobody can buy the last."""
    body = {"sku": uuid.uuid4().hex, "name": "Ware", "description": "", "category": "fuzz",
            "stock": 10**9, "price": {"amount": 1, "currency": "EUR"}}  # fmt: skip
    answer = admin.post("/products", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def first_told(gateway: str, person: Person) -> str:
    """The id of a person's oldest notification; nothing while there is none."""
    headers = {"Authorization": person.token()}
    answer = requests.get(f"{gateway}/notifications", headers=headers, timeout=15)
    items = answer.json()["items"]
    return items[-1]["id"] if items else ""


@dataclass
class Target:
    """The services of a shop, and who asks them."""

    addresses: dict[str, str]
    people: dict[str, Person]
    leaver: Person  # whose session may end
    login: dict[str, str]  # of somebody, to log in as
    wares: list[str]  # the ids of as many products as one order may name
    other: str  # the id of a product that may change
    session: requests.Session = field(default_factory=requests.Session)

    def kept(self) -> set[str]:
        """The ids of those whose roles must stay, or the rest would only be refused."""
        return {person.user_id for person in self.people.values()}


@pytest.fixture(scope="session")
def target(shop: Shop) -> Iterator[Target]:
    if shop.run_dir is None:
        pytest.skip("a shop that was running already is not filled with nonsense")
    ports = json.loads((shop.run_dir / "ports.json").read_text())
    admin = Person(shop.base_url)
    admin.log_in(**shop.credentials)
    addresses = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    target = Target(
        addresses,
        people={"admin": admin, "customer": newcomer(addresses["users"])},
        leaver=newcomer(addresses["users"]),
        login=(login := new_login()),
        wares=[add_product(admin) for _ in range(50)],
        other=add_product(admin),
    )
    newcomer(addresses["users"], login)
    for person in target.people.values():
        body = {"items": [{"product_id": target.other, "quantity": 1}]}
        headers = {"Idempotency-Key": "first", "Authorization": person.token()}
        answer = requests.post(f"{shop.base_url}/orders", json=body, headers=headers, timeout=15)
        assert answer.status_code == 201, answer.text
        person.order_id = answer.json()["id"]
        person.notification_id = eventually(lambda who=person: first_told(shop.base_url, who))
    target.session.trust_env = False  # never through a proxy
    with target.session:
        yield target


def pytest_configure(config: pytest.Config) -> None:
    # What was found before would make the cases of two runs differ.
    hypothesis.settings.register_profile("shop", database=None, deadline=None)
    hypothesis.settings.load_profile("shop")


def pytest_report_header() -> str:
    return f"fuzz: EXAMPLES={EXAMPLES} SEED={SEED}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was asked how often, so that a run which was only ever refused is seen."""
    for service in sorted({service for service, _, _ in ANSWERS}):
        found = {key: count for key, count in ANSWERS.items() if key[0] == service}
        terminalreporter.section(f"{service}: {sum(found.values())} cases")
        for name in sorted({operation for _, operation, _ in found}):
            said = sorted((status, count) for (_, op, status), count in found.items() if op == name)
            told = ", ".join(f"{count} x {status}" for status, count in said)
            terminalreporter.line(f"{name:20} {told}")
