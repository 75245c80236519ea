"""Looks at the stock all the time, each product in one read."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from pymongo.errors import PyMongoError
from stores import Stores

EVERY_SECONDS = 0.1
FIELDS = ("stock", "reserved", "sold", "moves", "version")


@dataclass(frozen=True)
class Sample:
    """A product as it was at one moment."""

    product: str
    version: int
    stock: int
    reserved: int
    sold: int
    moving: int  # the units of the open moves

    @classmethod
    def of(cls, document: dict) -> Sample:
        stock, reserved, sold, moves, version = (document[name] for name in FIELDS)
        moving = sum(move["quantity"] for move in moves)
        return cls(document["_id"], version, stock, reserved, sold, moving)


class Watch:
    """Samples of some products, until it is stopped; not while the database is away."""

    def __init__(self, stores: Stores, products: list[str]) -> None:
        self.samples: set[Sample] = set()
        self.stores, self.products = stores, products
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def look(self) -> None:
        """One sample of each product, now."""
        wanted = {"_id": {"$in": self.products}}
        found = self.stores.look("products", "products", wanted, *FIELDS)
        self.samples.update(map(Sample.of, found))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)

    def _watch(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            try:
                self.look()
            except PyMongoError:
                continue
