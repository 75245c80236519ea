"""The shop that is measured: started as `make up` does, stocked, and its processes known."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import events
import pymongo
import stack
from load import Target
from place import SERVICES, known_ports
from processes import families

WORKERS = 2  # web processes of each service, and of the gateway


@dataclass(frozen=True)
class Ours:
    """The running shop, with things to ask for."""

    shop: events.Shop
    orders: tuple[str, ...]

    def target(self, *paths: str, order_every: int = 0) -> Target:
        """Through the gateway, as a customer."""
        bodies = tuple(
            json.dumps({"items": [{"product_id": product, "quantity": 1}]})
            for product in self.shop.products
        )
        return Target(self.shop.gateway, paths, self.shop.tokens[0], order_every, bodies)

    def port(self, name: str) -> int:
        return known_ports(self.shop.run)[name]

    def pid(self, program: str) -> int:
        """The first process of a program of supervisord.conf."""
        group = "gateway" if program == "gateway-web" else "services"
        return int(stack.control(self.shop.run, "pid", f"{group}:{program}"))

    def all_pids(self) -> list[int]:
        """Every process of ours: gateway, services, workers; not the stores."""
        roles = [f"{name}-{role}" for name in SERVICES for role in ("web", "worker")]
        return [self.pid(program) for program in ("gateway-web", *roles)]

    def set_workers(self, program: str, count: int) -> None:
        """Tells a running gunicorn how many workers it should have."""
        master = self.pid(program)
        while (now := len(families([master])) - 1) != count:
            os.kill(master, signal.SIGTTIN if now < count else signal.SIGTTOU)
            deadline = time.monotonic() + 30
            while len(families([master])) - 1 == now:
                if time.monotonic() > deadline:
                    raise SystemExit(f"{program} did not go from {now} workers to {count}")
                time.sleep(0.1)
        time.sleep(1)  # until the new one has loaded the app

    def wait_settled(self, seconds: float = 180) -> float:
        """Waits until all orders are confirmed and sold, and no event is untold; the seconds."""
        started = time.monotonic()
        urls = [
            stack.service_environment(self.shop.run, name)["MONGO_URL"]
            for name in ("orders", "products")
        ]
        orders, products = (pymongo.MongoClient(url) for url in urls)
        with orders, products:
            books = orders.get_default_database(), products.get_default_database()
            under_way = {"state": {"$in": ["reserving", "reserved"]}}
            while (
                books[0].orders.count_documents({"status": "pending"})
                or books[1].reservations.count_documents(under_way)
                or any(
                    book[name].count_documents({"outbox.id": {"$exists": True}})
                    for book in books
                    for name in book.list_collection_names()
                )
            ):
                if time.monotonic() - started > seconds:
                    raise SystemExit(f"orders were still pending after {seconds:.0f} s")
                time.sleep(0.2)
        return time.monotonic() - started


@contextmanager
def running() -> Iterator[Ours]:
    """The shop on the servers that BROKER_URL and CACHE_URL name, with two workers a service."""
    os.environ["WEB_CONCURRENCY"] = str(WORKERS)
    with events.running_shop() as shop:
        connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=30)
        orders = tuple(shop.place(connection, shop.tokens[0]) for _ in range(20))
        ours = Ours(shop, orders)
        ours.wait_settled()
        yield ours
