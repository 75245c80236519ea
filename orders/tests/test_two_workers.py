"""Two workers of orders at once, over the same outboxes and the same events."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from orders import events, use_cases
from orders.catalogue import CatalogueItem
from orders.chassis.inbox import Inbox
from orders.chassis.outbox import new_event, now
from orders.chassis.parking import ParkedEvent
from orders.chassis.relay import Relay
from orders.models import Order
from orders.worker import make_inbox

ORDERS = 20


class Shelf:
    """A catalogue that has everything."""

    def find(self, ids):
        return {pk: CatalogueItem("Mug", 500, "EUR") for pk in ids}


class Broker:
    """Takes what two relays publish, and confirms it as RabbitMQ does."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []

    def publish(self, body: bytes, **_: object) -> None:
        self.got.append(json.loads(body))

    def by_order(self, kind: str) -> dict[str, set[str]]:
        """The ids under which an event was told of each order."""
        found: dict[str, set[str]] = {}
        for event in self.got:
            if event["type"] == kind:
                found.setdefault(event["subject"], set()).add(event["id"])
        return found


@pytest.fixture
def orders(app) -> list[Order]:
    wanted = [{"product_id": "mug", "quantity": 1}]
    return [
        use_cases.place_order("ann", f"key-{n}", wanted, Shelf(), saga_timeout=60)
        for n in range(ORDERS)
    ]


@pytest.fixture
def inboxes(settings, app) -> list[Inbox]:
    return [make_inbox(settings), make_inbox(settings)]


def at_once(*work: Callable[[], object]) -> None:
    """All of it, each in a thread of its own, begun together."""
    start = threading.Barrier(len(work))

    def begin(what: Callable[[], object]) -> None:
        start.wait()
        what()

    with ThreadPoolExecutor(len(work)) as threads:
        for done in [threads.submit(begin, what) for what in work]:
            done.result()


def publish_all(broker: Broker) -> None:
    relays = [Relay("amqp://nowhere", events.SERVICE, [Order], frozenset()) for _ in range(2)]

    def empty(relay: Relay) -> None:
        while relay.publish_due(broker, []):
            pass

    at_once(*(lambda relay=relay: empty(relay) for relay in relays))


def handle_all(inboxes: list[Inbox], *heard: list[dict[str, Any]]) -> None:
    """Each inbox takes what it heard."""

    def take(inbox: Inbox, heard: list[dict[str, Any]]) -> None:
        for event in heard:
            inbox.take(json.dumps(event).encode())

    both = zip(inboxes, heard, strict=True)
    at_once(*(lambda inbox=inbox, heard=heard: take(inbox, heard) for inbox, heard in both))


def answer(order_id: str, kind: str) -> dict[str, Any]:
    data = {"order_id": order_id, "items": [{"product_id": "mug", "requested": 1, "left": 0}]}
    return new_event("products", kind, order_id, 1, data)


def test_every_order_is_confirmed_once_and_told_under_one_id(orders, inboxes):
    broker = Broker()
    publish_all(broker)
    placed = broker.by_order("order.placed")
    assert placed == {order.id: {order.placed["id"]} for order in orders}
    # what was published twice is answered twice
    heard = [answer(e["subject"], "stock.reserved") for e in broker.got]
    handle_all(inboxes, heard, heard)
    publish_all(broker)
    assert {(o.status, o.version, len(o.outbox)) for o in Order.objects} == {("confirmed", 2, 0)}
    told = broker.by_order("order.confirmed")
    assert told == {order.id: {order.closing["id"]} for order in Order.objects}
    assert ParkedEvent.objects.count() == 0


def test_of_two_answers_that_contradict_one_counts_and_only_that_is_told(orders, inboxes):
    reserved, rejected = (
        [answer(order.id, kind) for order in orders]
        for kind in ("stock.reserved", "stock.rejected")
    )
    handle_all(inboxes, reserved, rejected)
    broker = Broker()
    publish_all(broker)
    closed = Counter(event["subject"] for event in broker.got if event["type"] != "order.placed")
    assert set(closed) == {order.id for order in orders}
    for order in Order.objects:
        ids = {e["id"] for e in broker.got if e["subject"] == order.id} - {order.placed["id"]}
        assert ids == {order.closing["id"]}
        assert (order.closing["type"], order.version) == (f"order.{order.status}", 2)


def test_a_parked_event_is_tried_by_one_of_them(orders, inboxes, monkeypatch):
    tried: list[str] = []
    for order in orders:
        bad = answer(order.id, "stock.reserved")
        del bad["data"]["order_id"]
        inboxes[0].take(json.dumps(bad).encode())
    for inbox in inboxes:
        monkeypatch.setattr(inbox, "handle", lambda event: tried.append(event["id"]))
    at_once(*(inbox.retry_due for inbox in inboxes))
    assert len(tried) == len(set(tried)) == ORDERS
    assert ParkedEvent.objects.count() == 0


def test_a_silent_order_is_asked_again_once_and_rejected_once(orders):
    for state in (("pending", True, 1), ("rejected", True, 2)):
        Order.objects.update(set__check_at=now())
        at_once(*[lambda: use_cases.look_after_pending(60)] * 2)
        assert {(o.status, o.asked_again, o.version) for o in Order.objects} == {state}
    broker = Broker()
    publish_all(broker)
    for order in Order.objects:
        assert broker.by_order("order.placed")[order.id] == {order.placed["id"]}
        assert broker.by_order("order.rejected")[order.id] == {order.closing["id"]}
