"""A product keeps nothing of the orders it was in, however many there were.

With 300 orders in the usual run; with as many as somebody wants to wait for by
`GROWTH_ORDERS=20000 .venv/bin/python -m pytest -s tests/test_growth.py`, in products/.
"""

from __future__ import annotations

import json
import os
import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import bson
import pytest
from pymongo.errors import PyMongoError

from conftest import wait_for
from products import events
from products.cache import Cache
from products.chassis import logs
from products.chassis.inbox import Inbox
from products.chassis.outbox import new_event
from products.chassis.parking import ParkedEvent
from products.chassis.relay import Relay
from products.models import Product
from products.reservations import Reservation
from products.settings import Settings
from products.worker import make_inbox

ORDERS = int(os.environ.get("GROWTH_ORDERS") or 300)
LOOKED_AT = (100, 300, 1_000, 5_000, 20_000)  # so many orders, and the sizes are looked at
MOST_BYTES = 16 * 1024
STOCK = 10**9  # the most there can be: the counters are as wide as they get
LATE = 50  # of so many orders every event comes again

# What orders tells of one order, of how many units, and where that leaves them.
STORIES = [
    (("placed", "confirmed"), 2, "sold"),
    (("placed", "confirmed"), 1, "sold"),
    (("placed", "cancelled"), 3, "released"),
    (("placed", "confirmed", "cancelled"), 1, "released"),
    (("placed", "rejected"), 1, "released"),  # the answer came too late for orders
    (("placed", "rejected"), STOCK + 1, "rejected"),
    (("cancelled", "placed"), 1, "released"),
]


class Broker:
    """Takes what the relay publishes, and confirms it as RabbitMQ does."""

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()

    def publish(self, body: bytes, **_: object) -> None:
        self.told[json.loads(body)["type"]] += 1


class Stand:
    """One product, the orders of it, and the relay that tells what became of its stock."""

    def __init__(self, inbox: Inbox, product: str) -> None:
        self.inbox, self.product = inbox, product
        self.broker = Broker()
        self.relay = Relay("amqp://nowhere", events.SERVICE, [Reservation, Product], frozenset())

    def order(self, number: int) -> list[dict[str, Any]]:
        """The events of an order from its beginning to its end."""
        told, quantity, _ = STORIES[number % len(STORIES)]
        order_id = str(uuid.UUID(int=number))
        item = {"product_id": self.product, "quantity": quantity}
        data = {"order_id": order_id, "customer_id": "ann", "items": [item]}
        return [new_event("orders", f"order.{what}", order_id, 1, data) for what in told]

    def take(self, told: list[dict[str, Any]]) -> None:
        """As the worker does: while the database is away, every event waits for it."""
        for body in [json.dumps(event).encode() for event in told]:
            wait_for(lambda body=body: self.inbox.take(body) or True, PyMongoError)

    def come_to_rest(self) -> None:
        """Until nothing is parked, and nothing waits to be published."""
        wait_for(lambda: not self.inbox.retry_due() and not ParkedEvent.objects(dead=False))
        wait_for(lambda: not self.relay.publish_due(self.broker, []), PyMongoError)

    def document(self) -> dict[str, Any]:
        return Product._get_collection().find_one({"_id": self.product})

    def size(self) -> int:
        return len(bson.encode(self.document()))


def largest_reservation() -> int:
    return max(len(bson.encode(found)) for found in Reservation._get_collection().find())


def outcome(orders: int) -> tuple[Counter[str], int]:
    """The states that so many orders end in, and the units they buy."""
    stories = [STORIES[number % len(STORIES)] for number in range(orders)]
    sold = sum(quantity for _, quantity, state in stories if state == "sold")
    return Counter(state for _, _, state in stories), sold


@pytest.fixture
def stand(settings: Settings, cache: Cache, product) -> Iterator[Stand]:
    inbox = make_inbox(replace(settings, retry_delays=(0.1,) * 50), cache)
    logs.configure("products", "ERROR")  # else pytest keeps every line of the log: that does grow
    yield Stand(inbox, product(stock=STOCK).replace("_", "-"))
    logs.configure("products", settings.log_level)


def test_a_product_is_as_small_after_many_orders_as_before_and_late_events_take_nothing(stand):
    before, began, sizes = stand.size(), time.monotonic(), set()
    for number in range(ORDERS):
        stand.take(stand.order(number))
        if number % 100 == 99:
            stand.come_to_rest()
        if number + 1 in (*LOOKED_AT, ORDERS):
            stand.come_to_rest()
            sizes.add(stand.size())
            print(f"\n{number + 1} orders in {time.monotonic() - began:.0f} s:", end=" ")
            print(f"product {stand.size()} B, largest reservation {largest_reservation()} B")
    assert sizes == {before}, "the size depends on the number of orders"
    assert before < MOST_BYTES

    document, (states, sold) = stand.document(), outcome(ORDERS)
    assert (document["stock"], document["reserved"], document["sold"]) == (STOCK - sold, 0, sold)
    assert (document["moves"], document["outbox"]) == ([], [])
    # what does grow: one small document for each order, and nothing else
    kept = Reservation._get_collection()
    assert {state: kept.count_documents({"state": state}) for state in states} == states
    assert kept.count_documents({}) == ORDERS
    assert kept.count_documents({"outbox.0": {"$exists": True}}) == 0
    assert ParkedEvent.objects.count() == 0

    largest, told = largest_reservation(), stand.broker.told.copy()
    dice = random.Random(1)
    late = [event for n in dice.sample(range(ORDERS), LATE) for event in stand.order(n)] * 2
    dice.shuffle(late)
    stand.take(late)
    stand.come_to_rest()
    assert stand.document() == document
    assert (kept.count_documents({}), largest_reservation()) == (ORDERS, largest)
    assert ParkedEvent.objects.count() == 0
    assert stand.broker.told - told, "answers were told again"
