"""Fifty copies of each event of an order at once move its units once."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from conftest import wait_for
from products.chassis.inbox import Inbox
from products.chassis.outbox import new_event
from products.chassis.parking import ParkedEvent
from products.worker import make_inbox

COPIES = 50
# (stock, reserved, sold, open moves) of two products, each with ten at first, and what is told
PLACED = ("order.placed", [(7, 3, 0, 1), (8, 2, 0, 1)], ["stock.reserved"])
CONFIRMED = ("order.confirmed", [(7, 0, 3, 0), (8, 0, 2, 0)], ["stock.reserved"])
OFF = [(10, 0, 0, 0), (10, 0, 0, 0)]


@pytest.fixture
def patient(settings, cache) -> Inbox:
    """An inbox that parks longer than one worker needs for an order, as the real one does."""
    return make_inbox(replace(settings, retry_delays=(0.6,) * 5), cache)


@pytest.mark.parametrize(
    "steps",
    [
        [PLACED, CONFIRMED, ("order.cancelled", OFF, ["stock.reserved", "stock.released"])],
        [PLACED, ("order.rejected", OFF, ["stock.reserved", "stock.released"])],
        [("order.cancelled", OFF, []), ("order.placed", OFF, [])],
    ],
    ids=["bought and returned", "given up", "cancelled before it was placed"],
)
def test_fifty_copies_of_each_event_at_once_have_one_effect(patient, shop, product, steps):
    mug, pot = product(), product()
    items = [
        {"product_id": pk.replace("_", "-"), "quantity": count}
        for pk, count in [(mug, 3), (pot, 2)]
    ]
    for kind, counts, told in steps:
        data = {"order_id": "o", "customer_id": "ann", "items": items}
        body = json.dumps(new_event("orders", kind, "o", 1, data)).encode()
        with ThreadPoolExecutor(COPIES) as threads:
            list(threads.map(patient.take, [body] * COPIES))
        wait_for(lambda: not patient.retry_due() and not ParkedEvent.objects(dead=False).count())
        assert ParkedEvent.objects.count() == 0, "some copy died"
        assert [shop.counts(mug), shop.counts(pot)] == counts, kind
        assert shop.told("o") == told
        assert max(Counter(waiting["id"] for waiting in shop.outbox("o")).values(), default=1) == 1
