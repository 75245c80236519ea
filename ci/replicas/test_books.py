"""The books are right only where nothing is lost, doubled, stuck or gone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import books
import pytest
from shoppers import STOCK

ORDER = {
    "_id": "o1",
    "status": "confirmed",
    "items": [{"product_id": "mug", "quantity": 2}],
    "customer_id": "ann",
    "idempotency_key": "k1",
}
RIGHT: books.Kept = {
    "orders": [ORDER],
    "notifications": [
        {"user_id": "ann", "kind": f"order.{kind}", "data": {"order_id": "o1"}}
        for kind in ("placed", "confirmed")
    ],
    "products": [{"_id": "mug", "stock": STOCK - 2, "reserved": 0, "sold": 2, "moves": []}],
    "reservations": [{"_id": "o1", "state": "sold"}],
    "parked in orders": [],
}


class People:
    """One customer, who was answered once."""

    products = ["mug"]

    def __init__(self) -> None:
        self.people = [SimpleNamespace(id="ann", lost=[])]

    def orders(self) -> dict[str, Any]:
        return {"o1": self.people[0]}


def test_what_is_right_is_right() -> None:
    assert books.faults(RIGHT, People()) == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda kept: kept["orders"].clear(), "lost: order o1"),
        (lambda kept: kept["orders"].append({**ORDER, "_id": "o2"}), "doubled: 2 orders of key"),
        (lambda kept: kept["orders"][0].update(status="pending"), "stuck: order o1 is pending"),
        (lambda kept: kept["orders"][0].update(outbox=[{}]), "stuck: orders"),
        (lambda kept: kept["notifications"].pop(), "lost: order.confirmed of o1"),
        (lambda kept: kept["notifications"].append(kept["notifications"][0]), "doubled: order.pl"),
        (lambda kept: kept["products"][0].update(stock=STOCK - 1), "stock: 2 units"),
        (lambda kept: kept["products"][0].update(stock=STOCK, sold=0), "stock: 2 units"),
        (lambda kept: kept["products"][0].update(reserved=1), "stock: 2 units"),
        (lambda kept: kept["parked in orders"].append({"type": "x"}), "stuck: parked in orders"),
    ],
)
def test_what_is_wrong_is_told(damage: Callable[[books.Kept], Any], said: str) -> None:
    kept = copy.deepcopy(RIGHT)
    damage(kept)
    assert any(text.startswith(said) for text in books.faults(kept, People())), said


def test_an_order_that_nobody_answered_is_lost() -> None:
    crowd = People()
    crowd.people[0].lost.append("k2")
    assert books.faults(RIGHT, crowd) == ["lost: key k2 was never answered"]
