"""People who buy at a steady rate, and remember every answer."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import requests
from engine import wait

PRICE = {"amount": 1250, "currency": "EUR"}
STOCK = 100_000
REFRESH_SECONDS = 30.0
PATIENCE = 120.0  # until an order that is repeated and repeated counts as lost


class Person(requests.Session):
    """Somebody at the gateway."""

    def __init__(self, url: str, failed: list[str]) -> None:
        super().__init__()
        self.url, self.failed = url, failed
        self.trust_env = False  # never through a proxy
        self.answered: Counter[str] = Counter()

    def ask(self, method: str, path: str, expected: int, **options: Any) -> dict[str, Any] | None:
        """The answer to one request, or nothing where it failed, which is remembered."""
        try:
            answer = self.request(method, self.url + path, timeout=30, **options)
            said = f"{answer.status_code} {answer.text[:200]}"
        except requests.RequestException as error:
            answer, said = None, repr(error)
        if answer is not None and answer.status_code == expected:
            self.answered[method] += 1
            return answer.json()
        self.failed.append(f"{time.strftime('%H:%M:%S')} {method} {path}: {said}")
        return None

    def must(self, method: str, path: str, expected: int, **options: Any) -> dict[str, Any]:
        """As `ask`, before there is anything that could go wrong."""
        found = self.ask(method, path, expected, **options)
        assert found is not None, self.failed[-1]
        return found

    def log_in(self, login: dict[str, str]) -> None:
        self._believe(self.must("POST", "/auth/login", 200, json=login))

    def refresh(self) -> bool:
        """A younger token, if the old one can be had for it."""
        found = self.ask("POST", "/auth/refresh", 200, json={"refresh_token": self.token})
        if found:
            self._believe(found)
        return bool(found)

    def _believe(self, tokens: dict[str, Any]) -> None:
        self.token = tokens["refresh_token"]
        self.headers["Authorization"] = f"Bearer {tokens['access_token']}"


class Shopper(Person):
    """A customer who comes again and again: looks around, buys, and reads what they are told."""

    def __init__(self, url: str, failed: list[str], products: list[str]) -> None:
        super().__init__(url, failed)
        self.products = itertools.cycle(products)
        self.login = {"email": f"{uuid.uuid4().hex}@shop.example", "password": uuid.uuid4().hex}
        self.orders: dict[str, str] = {}  # key: order id, of each 201
        self.answered_at: list[float] = []
        self.lost: list[str] = []  # keys that nobody answered, however often
        self.must("POST", "/auth/register", 201, json={**self.login, "name": "Shopper"})
        self.log_in(self.login)
        self.id = self.must("GET", "/users/me", 200)["id"]
        self.refresh_at = time.monotonic() + REFRESH_SECONDS

    def visit(self) -> None:
        if time.monotonic() > self.refresh_at:
            self.refresh_at = time.monotonic() + REFRESH_SECONDS
            self._renew()
        self.ask("GET", "/products?limit=5", 200)
        if order := self._order():
            self.ask("GET", f"/orders/{order}", 200)
        told = self.ask("GET", "/notifications?limit=1", 200)
        for item in told["items"] if told else []:
            self.ask("POST", f"/notifications/{item['id']}/read", 200)

    def _renew(self) -> None:
        """Whoever was not answered cannot know which token counts, and logs in."""
        if not self.refresh():
            tokens = self.ask("POST", "/auth/login", 200, json=self.login)
            if tokens:
                self._believe(tokens)

    def _order(self) -> str | None:
        """Asks with one key until it is answered."""
        key, items = uuid.uuid4().hex, [{"product_id": next(self.products), "quantity": 1}]
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            headers = {"Idempotency-Key": key}
            placed = self.ask("POST", "/orders", 201, json={"items": items}, headers=headers)
            if placed:
                self.orders[key] = placed["id"]
                self.answered_at.append(time.monotonic())
                return placed["id"]
            time.sleep(0.5)
            if "401" in self.failed[-1]:
                self._renew()
        self.lost.append(key)
        return None


class Crowd(AbstractContextManager["Crowd"]):
    """Shoppers who, together, place so many orders a second while the context lasts."""

    def __init__(self, url: str, admin: dict[str, str], rate: float, count: int = 8) -> None:
        self.failed: list[str] = []
        owner = Person(url, self.failed)
        owner.log_in(admin)
        self.products = [owner.must("POST", "/products", 201, json=_mug())["id"] for _ in range(3)]
        # a password costs much work on purpose: more at once would only wait for one another
        with ThreadPoolExecutor(2) as pool:
            people = [pool.submit(Shopper, url, self.failed, self.products) for _ in range(count)]
        self.people = [person.result() for person in people]
        self.pause = count / rate
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._shop, args=(person, self.pause * n / count), daemon=True)
            for n, person in enumerate(self.people)
        ]

    def __enter__(self) -> Crowd:
        self.began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE)
        self.seconds = time.monotonic() - self.began

    def orders(self) -> dict[str, Shopper]:
        """Every order that was answered 201, and whose it is."""
        return {order: person for person in self.people for order in [*person.orders.values()]}

    def buys(self, count: int = 10) -> None:
        """Wait until so many orders more were answered."""
        goal = len(self.orders()) + count
        wait(lambda: len(self.orders()) >= goal, f"{count} orders answered; {self.failed[-3:]}")

    def summary(self) -> str:
        times = sorted(moment for person in self.people for moment in person.answered_at)
        gap = max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)
        requests_ = sum((person.answered for person in self.people), Counter())
        return (
            f"{len(times)} orders in {self.seconds:.0f} s ({len(times) / self.seconds:.1f}/s), "
            f"the longest pause between two {gap:.1f} s; "
            f"requests answered: {dict(requests_)}, failed: {len(self.failed)}"
        )

    def _shop(self, person: Shopper, first: float) -> None:
        coming = self.began + first
        while not self._over.wait(max(0.0, coming - time.monotonic())):
            person.visit()
            coming = max(coming + self.pause, time.monotonic())


def _mug() -> dict[str, Any]:
    sku = f"MUG-{uuid.uuid4().hex[:12].upper()}"
    return {"sku": sku, "name": "Mug", "price": PRICE, "category": "mugs", "stock": STOCK}
