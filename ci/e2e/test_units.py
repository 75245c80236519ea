"""No unit is sold twice or lost: many buy at once, and every reading of the stock adds up.

The last of the suite: on a Redis as broker, hundreds of orders are told twice for a while.
"""

from __future__ import annotations

import os
import random
import subprocess
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymongo
import pytest
import stack
from conftest import Client, eventually, place, stock_of
from pymongo.collection import Collection
from repository import folder

BUYERS = 10
AT_ONCE = 50
PATIENCE = 600  # seconds, on a machine that has a lot else to do
LOOK_SECONDS = 0.1
Watched = Callable[..., contextmanager]


@dataclass(frozen=True)
class Reading:
    """A product as its document was at one moment."""

    version: int
    stock: int
    reserved: int
    sold: int
    moving: int  # the units of the moves that are open


class Watch:
    """Reads a product again and again, each time in one read of one document."""

    def __init__(self, products: Collection, product: dict) -> None:
        self.products, self.id = products, product["id"]
        self.readings: set[Reading] = set()
        self.added: dict[int, int] = {}  # by an admin's write to this version

    def look(self) -> Reading:
        found = self.products.find_one({"_id": self.id})
        counts = [found[name] for name in ("version", "stock", "reserved", "sold")]
        reading = Reading(*counts, moving=sum(move["quantity"] for move in found["moves"]))
        self.readings.add(reading)
        return reading

    def check(self, units: int) -> None:
        """At every reading there were as many units as at first, and what an admin added."""
        for at in self.readings:
            added = sum(more for version, more in self.added.items() if version < at.version)
            assert at.stock + at.reserved + at.sold == units + added, at
            assert min(at.stock, at.reserved, at.sold) >= 0, at
            assert at.reserved == at.moving, at


@pytest.fixture
def watched(run_dir: Path) -> Iterator[Watched]:
    """Looks at some products all the while: `with watched(mug, pen) as (mugs, pens)`."""
    url = stack.service_environment(run_dir, "products")["MONGO_URL"]
    with pymongo.MongoClient(url) as client:
        products = client.get_default_database()["products"]

        @contextmanager
        def watch(*wanted: dict) -> Iterator[list[Watch]]:
            watches, over = [Watch(products, product) for product in wanted], threading.Event()

            def look() -> None:
                while not over.wait(LOOK_SECONDS):
                    for each in watches:
                        each.look()

            with ThreadPoolExecutor(1) as thread:
                looking = thread.submit(look)
                try:
                    yield watches
                finally:
                    over.set()
                    looking.result()

        yield watch


@pytest.fixture
def second_workers(run_dir: Path) -> Iterator[None]:
    """Another worker of products and of orders, so that two reserve, and two confirm, at once."""
    workers = []
    for service in ("products", "orders"):
        environment = {**os.environ, **stack.service_environment(run_dir, service)}
        command = [folder(service) / f".venv/bin/{service}", "worker"]
        with (run_dir / f"logs/{service}-worker-2.log").open("w") as log:
            workers.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
    yield
    for worker in workers:
        worker.terminate()
    assert [worker.wait(60) for worker in workers] == [0, 0]


def buy(who: Client, *wanted: tuple[dict, int]) -> tuple[Client, str]:
    """Order until it is answered 201, under one key; who did, and the order's id."""
    key = str(uuid.uuid4())

    def answered() -> str | None:
        answer = place(who, *wanted, key=key)
        assert answer.status_code in (201, 503, 504), answer.text
        return answer.json()["id"] if answer.status_code == 201 else None

    return who, eventually(answered, PATIENCE)


def at_once(buying: Callable[[int], tuple[Client, str]], orders: int) -> list[dict]:
    """So many orders, AT_ONCE at a time, when none of their customers has a pending one."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        bought = list(threads.map(buying, range(orders)))
    people = {who.user_id: who for who, _ in bought}.values()

    def shown(who: Client, **query: object) -> list[dict]:
        return who.get("/orders", params=query).json()["items"]

    def over() -> bool:
        return not any(shown(who, status="pending", limit=1) for who in people)

    eventually(over, PATIENCE, pause=0.5)  # asking costs the workers time
    settled = [order for who in people for order in shown(who, limit=100)]
    assert sorted(order["id"] for order in settled) == sorted(order for _, order in bought)
    return settled


def units_in(orders: list[dict]) -> Counter[str]:
    """How many of each product the confirmed ones hold."""
    held: Counter[str] = Counter()
    for order in orders:
        for item in order["items"] if order["status"] == "confirmed" else []:
            held[item["product_id"]] += item["quantity"]
    return held


def add_units(admin: Client, watch: Watch, units: int) -> None:
    """An admin's write, if nobody else has changed the product since the admin looked."""
    url = f"/products/{watch.id}"
    seen = admin.get(url)
    free, version = seen.json()["stock"], seen.json()["version"]
    units = max(units, -free)
    headers = {"If-Match": seen.headers["ETag"]}
    answer = admin.patch(url, json={"stock": free + units}, headers=headers)
    assert answer.status_code in (200, 412), answer.text
    if answer.status_code == 200:
        watch.added[version] = units


@pytest.mark.usefixtures("second_workers")
def test_orders_from_opposite_ends_and_an_admins_writes_lose_no_unit(
    watched: Watched, customer, product, admin
):
    people, dice = [customer() for _ in range(BUYERS)], random.Random(5)
    mug, pen = product(stock=60), product(stock=80)
    wishes = [[(mug, dice.randint(1, 3)), (pen, dice.randint(1, 3))] for _ in range(100)]

    def buying(n: int) -> tuple[Client, str]:
        return buy(people[n % BUYERS], *(wishes[n] if n % 2 else reversed(wishes[n])))

    with watched(mug, pen) as watches, ThreadPoolExecutor(1) as thread:
        selling = thread.submit(at_once, buying, len(wishes))
        while wait([selling], 0.2).not_done or min(len(watch.added) for watch in watches) < 3:
            for watch in watches:
                add_units(admin, watch, dice.choice([-2, 1, 3]))
        orders = selling.result()
        eventually(lambda: not any(watch.look().reserved for watch in watches), PATIENCE)
        ends = [watch.look() for watch in watches]
    held = units_in(orders)
    assert {order["status"] for order in orders} == {"confirmed", "rejected"}
    assert [end.sold for end in ends] == [held[mug["id"]], held[pen["id"]]]
    for watch, units in zip(watches, (60, 80), strict=True):
        watch.check(units)


def test_of_500_orders_at_once_for_100_units_exactly_100_are_confirmed(
    watched: Watched, customer, product, visitor
):
    people, mug = [customer() for _ in range(BUYERS)], product(stock=100)
    with watched(mug) as [mugs]:
        orders = at_once(lambda n: buy(people[n % BUYERS], (mug, 1)), 500)
        eventually(lambda: not mugs.look().reserved, PATIENCE)
        end = mugs.look()
    assert Counter(order["status"] for order in orders) == {"confirmed": 100, "rejected": 400}
    short = {"product_id": mug["id"], "name": mug["name"], "requested": 1, "left": 0}
    for order in orders:
        if order["status"] == "rejected":
            assert (order["reason"], order["short_items"]) == ("out_of_stock", [short])
    assert (end.stock, end.reserved, end.sold) == (0, 0, 100)
    assert stock_of(visitor, mug) == 0
    mugs.check(units=100)
    assert len(mugs.readings) > 20, "it was looked at while it was sold"
