"""What must hold in the end: every order closed and told, once, and no unit of stock gone."""

from __future__ import annotations

from collections import Counter
from typing import Any

from shoppers import STOCK, Crowd

FINAL = {"confirmed", "rejected", "cancelled"}
KEPT = {
    "orders": ("orders", "orders", ["status", "items", "customer_id", "idempotency_key", "outbox"]),
    "notifications": ("notifications", "notifications", ["user_id", "kind", "data"]),
    "products": ("products", "products", ["stock", "reserved", "sold", "moves", "outbox"]),
    "reservations": ("products", "reservations", ["state", "outbox"]),
    "parked in products": ("products", "parked_events", ["type", "error"]),
    "parked in orders": ("orders", "parked_events", ["type", "error"]),
    "parked in notifications": ("notifications", "parked_events", ["type", "error"]),
}

Kept = dict[str, list[dict[str, Any]]]


def faults(kept: Kept, crowd: Crowd) -> list[str]:
    """What is wrong, in sentences; `kept` is what the databases hold of KEPT."""
    mine = {person.id for person in crowd.people}
    orders = {one["_id"]: one for one in kept["orders"] if one["customer_id"] in mine}
    found = [f"lost: key {key} was never answered" for who in crowd.people for key in who.lost]
    found += [f"lost: order {one} was answered 201" for one in crowd.orders().keys() - {*orders}]
    keys = Counter(one["idempotency_key"] for one in orders.values())
    found += [f"doubled: {count} orders of key {key}" for key, count in keys.items() if count > 1]
    told = Counter((one["data"].get("order_id"), one["kind"]) for one in kept["notifications"])
    for order in orders.values():
        if order["status"] not in FINAL:
            found.append(f"stuck: order {order['_id']} is {order['status']}")
        for kind in ("order.placed", f"order.{order['status']}"):
            if (times := told[order["_id"], kind]) != 1:
                kind_of = "doubled" if times else "lost"
                found.append(f"{kind_of}: {kind} of {order['_id']} was told {times} times")
    return found + _stock(kept, orders, crowd) + _waiting(kept)


def _stock(kept: Kept, orders: dict[str, dict], crowd: Crowd) -> list[str]:
    bought: Counter[str] = Counter()
    for order in orders.values():
        for item in order["items"] if order["status"] == "confirmed" else []:
            bought[item["product_id"]] += item["quantity"]
    return [
        f"stock: {bought[product['_id']]} units are in confirmed orders, but {product}"
        for product in kept["products"]
        if product["_id"] in crowd.products
        and (
            product["stock"] + product["sold"] != STOCK
            or product["sold"] != bought[product["_id"]]
            or product["reserved"]
            or product["moves"]
        )
    ]


def _waiting(kept: Kept) -> list[str]:
    return [
        f"stuck: {name} {document}"
        for name, documents in kept.items()
        for document in documents
        if name.startswith("parked") or document.get("outbox")
    ]
