"""Fifty copies of one thing at once have one effect, and late answers none."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from orders import use_cases
from orders.catalogue import CatalogueItem
from orders.chassis.outbox import new_event, now
from orders.chassis.parking import ParkedEvent
from orders.models import Order

COPIES = 50


class Shelf:
    """A catalogue that has everything."""

    def find(self, ids):
        return {pk: CatalogueItem("Mug", 500, "EUR") for pk in ids}


@pytest.fixture
def order(app) -> Order:
    wanted = [{"product_id": "mug", "quantity": 2}]
    return use_cases.place_order("ann", "key", wanted, Shelf(), saga_timeout=60)


def answer(order: Order, kind: str) -> dict[str, Any]:
    items = [{"product_id": "mug", "requested": 2, "left": 1}]
    return new_event("products", kind, order.id, 1, {"order_id": order.id, "items": items})


def test_fifty_requests_of_one_key_at_once_are_one_order(app, products, as_user):
    mug = products.sell()
    headers = as_user() | {"Idempotency-Key": "k"}

    def send(number: int) -> tuple[int, Any]:
        quantity = 2 if number % 5 == 0 else 1  # every fifth has another body
        body = {"items": [{"product_id": mug, "quantity": quantity}]}
        return quantity, app.test_client().post("/orders", json=body, headers=headers)

    with ThreadPoolExecutor(COPIES) as threads:
        answers = list(threads.map(send, range(COPIES)))
    made = Order.objects.get()
    for quantity, got in answers:
        if quantity == made.items[0].quantity:
            assert (got.status_code, got.json["id"]) == (201, made.id)
        else:
            assert got.status_code == 422
            assert got.json["type"] == "urn:shop:problem:idempotency-key-reused"
    assert [waiting["id"] for waiting in made.outbox] == [made.placed["id"]]


@pytest.mark.parametrize(
    ("kind", "status"), [("stock.reserved", "confirmed"), ("stock.rejected", "rejected")]
)
def test_fifty_copies_of_an_answer_at_once_close_the_order_once(inbox, order, kind, status):
    body = json.dumps(answer(order, kind)).encode()
    with ThreadPoolExecutor(COPIES) as threads:
        list(threads.map(inbox.take, [body] * COPIES))
    closed = Order.objects.get(id=order.id)
    assert (closed.status, closed.version) == (status, 2)
    assert [w["id"] for w in closed.outbox] == [order.placed["id"], closed.closing["id"]]
    assert ParkedEvent.objects.count() == 0


def rejected_unanswered(order: Order) -> None:
    for _ in range(2):
        Order.objects(id=order.id).update(set__check_at=now())
        use_cases.look_after_pending(60)


CLOSED = {
    "confirmed": lambda order: use_cases.confirm_order(order.id),
    "rejected": lambda order: use_cases.reject_order(order.id, {"mug": (2, 1)}),
    "unanswered": rejected_unanswered,
    "cancelled": lambda order: use_cases.cancel_order(order.id, "ann"),
}


@pytest.mark.parametrize("kind", ["stock.reserved", "stock.rejected"])
@pytest.mark.parametrize("closed", CLOSED)
def test_a_late_answer_changes_nothing_and_hears_how_the_order_was_closed(
    inbox, order, closed, kind
):
    CLOSED[closed](order)
    Order.objects(id=order.id).update(set__outbox=[])  # all has left
    before = Order.objects.get(id=order.id)
    for _ in range(2):
        inbox.take(json.dumps(answer(order, kind)).encode())
    after = Order.objects.get(id=order.id)
    assert [waiting["event"] for waiting in after.outbox] == [before.closing]
    after.outbox = []
    assert after.to_mongo() == before.to_mongo()
    assert ParkedEvent.objects.count() == 0


def test_what_waits_to_be_told_a_second_time_is_not_told_a_third(order, inbox):
    """On a Redis every event goes twice; were each copy answered twice, it would never end."""
    inbox.handle(answer(order, "stock.reserved"))
    closing = Order.objects.get().closing
    later = now() + timedelta(seconds=30)
    told_once = {"$set": {"outbox.$.due": later, "outbox.$.sent": True}}
    Order.objects(outbox__id=closing["id"]).update_one(__raw__=told_once)
    inbox.handle(answer(order, "stock.reserved"))
    [waiting] = [each for each in Order.objects.get().outbox if each["id"] == closing["id"]]
    assert waiting["due"] <= now(), "it is told at once"
    assert waiting["sent"], "and that was the second time"
