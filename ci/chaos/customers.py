"""People at the gateway: customers who insist until they are answered, and an admin who writes."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import requests
from schedule import Wish, Write

PATIENCE = 60.0  # seconds until somebody gives up on a request, which is a finding
PRICE = {"amount": 1250, "currency": "EUR"}


class GaveUp(Exception):
    """No answer that counts, for all the patience; or one that says no for good."""


class Client(requests.Session):
    """A session on the shop that asks again until it is answered."""

    def __init__(self, base_url: str, statuses: Counter[str]) -> None:
        super().__init__()
        self.base_url, self.statuses = base_url, statuses
        self.trust_env = False  # never through a proxy
        self.user_id = ""
        self.login: dict[str, str] = {}

    def insist(
        self, method: str, path: str, *accepted: int, **options: object
    ) -> requests.Response:
        """The first answer with an accepted status. Raises GaveUp."""
        deadline, last = time.monotonic() + PATIENCE, "nothing"
        while time.monotonic() < deadline:
            try:
                answer = self.request(method, self.base_url + path, timeout=8, **options)
            except requests.RequestException as error:
                last = type(error).__name__
            else:
                if answer.status_code in accepted:
                    return answer
                last = f"{answer.status_code} {answer.text[:200]}"
                if answer.status_code == 401 and "refresh the token" in answer.text:
                    self._take_token()
                elif answer.status_code < 500 and answer.status_code != 429:
                    break
            self.statuses[f"{method} {last[:3] if last[0].isdigit() else last}"] += 1
            time.sleep(0.1)
        raise GaveUp(f"{method} {path}: {last}")

    def log_in(self, email: str, password: str) -> None:
        self.login = {"email": email, "password": password}
        self._take_token()
        self.user_id = self.insist("GET", "/users/me", 200).json()["id"]

    def _take_token(self) -> None:
        tokens = self.insist("POST", "/auth/login", 200, json=self.login).json()
        self.headers["Authorization"] = f"Bearer {tokens['access_token']}"


@dataclass
class Customer:
    """A customer, what they want, and what they were told."""

    client: Client
    wishes: list[Wish]
    orders: dict[str, str] = field(default_factory=dict)  # key: order id, of each 201
    cancelled: set[str] = field(default_factory=set)  # orders whose cancel was answered 200
    complaints: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.client.user_id

    def shop(self, began: float, products: list[str]) -> None:
        """Fulfil every wish, one after the other."""
        for wish in self.wishes:
            time.sleep(max(0.0, began + wish.at - time.monotonic()))
            try:
                self._order(wish, products)
            except GaveUp as error:
                self.complaints.append(str(error))

    def _order(self, wish: Wish, products: list[str]) -> None:
        items = [{"product_id": products[n], "quantity": quantity} for n, quantity in wish.items]
        headers = {"Idempotency-Key": wish.key}
        for _ in range(1 + wish.repeats):
            answer = self.client.insist(
                "POST", "/orders", 201, json={"items": items}, headers=headers
            )
            order_id = answer.json()["id"]
            if self.orders.setdefault(wish.key, order_id) != order_id:
                self.complaints.append(f"the key {wish.key} made a second order, {order_id}")
        if wish.repeats:
            other = [{**items[0], "quantity": items[0]["quantity"] + 1}]
            self.client.insist("POST", "/orders", 422, json={"items": other}, headers=headers)
        if wish.cancelled_after is not None:
            time.sleep(wish.cancelled_after)
            answer = self.client.insist("POST", f"/orders/{order_id}/cancel", 200, 409)
            if answer.status_code == 200:
                self.cancelled.add(order_id)


@dataclass
class Admin:
    """Puts products on sale and writes their stock."""

    client: Client
    # (product, version): the change of its free units, if that write was the one that happened
    writes: dict[tuple[str, int], int] = field(default_factory=dict)
    answered: set[tuple[str, int]] = field(default_factory=set)  # those that were answered 200

    def add_product(self, stock: int) -> str:
        body = {
            "sku": f"CHAOS-{uuid.uuid4().hex[:12].upper()}",
            "name": "Chaos mug",
            "price": PRICE,
            "category": "chaos",
            "stock": stock,
        }
        return self.client.insist("POST", "/products", 201, json=body).json()["id"]

    def write(self, began: float, writes: list[Write], products: list[str]) -> None:
        """Change free units, as they were read: whoever was overtaken reads again, a few times."""
        for wish in writes:
            time.sleep(max(0.0, began + wish.at - time.monotonic()))
            for _ in range(10):
                if self._write(products[wish.product], wish.change):
                    break
                time.sleep(0.05)

    def _write(self, product: str, change: int) -> bool:
        path = f"/products/{product}"
        try:
            seen = self.client.insist("GET", path, 200, headers={"Cache-Control": "no-cache"})
            etag, stock = seen.headers["ETag"], seen.json()["stock"]
            place = (product, int(etag.strip('W/"')))
            if place in self.writes:
                return False  # never two writes on one version: which one happened would be open
            self.writes[place] = max(0, stock + change) - stock
            body = {"stock": stock + self.writes[place]}
            headers = {"If-Match": etag}
            answer = self.client.insist("PATCH", path, 200, 412, json=body, headers=headers)
        except GaveUp:
            return True
        if answer.status_code == 200:
            self.answered.add(place)
        return answer.status_code == 200


def welcome(base_url: str, wishes: list[list[Wish]], statuses: Counter[str]) -> list[Customer]:
    """New customers, registered and logged in."""

    def welcomed(wished: list[Wish]) -> Customer:
        client = Client(base_url, statuses)
        login = {"email": f"{uuid.uuid4().hex}@shop.example", "password": uuid.uuid4().hex}
        client.insist("POST", "/auth/register", 201, 409, json={**login, "name": "Customer"})
        client.log_in(**login)
        return Customer(client, wished)

    # a password costs much work on purpose: more at once would only wait for one another
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(welcomed, wishes))


def start(what: object, *args: object) -> threading.Thread:
    thread = threading.Thread(target=what, args=args, daemon=True)  # type: ignore[arg-type]
    thread.start()
    return thread
