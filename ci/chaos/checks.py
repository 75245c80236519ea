"""What must hold when all is over: nothing lost, doubled, oversold or stuck."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from customers import Admin, Customer
from schedule import LISTENERS
from system import System
from watch import Watch

QUEUES = [f"{listener}.{kind}" for listener in LISTENERS for kind in ("events", "dead")]
FINAL = {"confirmed", "rejected", "cancelled"}
# A cancelled order's stock may have been refused before products heard of the cancel.
RESERVATION = {
    "confirmed": {"sold"},
    "rejected": {"rejected", "released"},
    "cancelled": {"released", "rejected"},
}


@dataclass
class Findings:
    """What is wrong, in sentences."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    oversold: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.all())

    def all(self) -> list[str]:
        return [f"{kind}: {text}" for kind, found in vars(self).items() for text in found]


@dataclass(frozen=True)
class Facts:
    """Who was there in a round, and what was on sale at first."""

    customers: list[Customer]
    admin: Admin
    stock: dict[str, int]  # by product, before the first order
    watch: Watch

    @property
    def answered(self) -> dict[str, Customer]:
        """Every order that was answered 201, and whose it is."""
        return {order: who for who in self.customers for order in who.orders.values()}


def examine(system: System, facts: Facts) -> Findings:
    """Everything, as the databases tell it now."""
    found = Findings()
    for who in facts.customers:
        for text in who.complaints:
            (found.doubled if "second" in text else found.lost).append(text)
    orders = _orders(system, facts, found)
    _notifications(system, facts, orders, found)
    _stock(system, facts, orders, found)
    _reservations(system, orders, found)
    _waiting(system, found)
    return found


def _orders(system: System, facts: Facts, found: Findings) -> dict[str, dict]:
    ids = [who.id for who in facts.customers]
    fields = ("status", "items", "customer_id", "idempotency_key")
    kept = system.stores.find("orders", "orders", {"customer_id": {"$in": ids}}, *fields)
    orders = {order["_id"]: order for order in kept}
    for order_id, who in facts.answered.items():
        if order_id not in orders:
            found.lost.append(f"order {order_id} was answered 201 and is gone")
        elif order_id in who.cancelled and orders[order_id]["status"] != "cancelled":
            found.lost.append(f"order {order_id}: its cancel was answered 200 and is gone")
    for order in orders.values():
        if order["status"] not in FINAL:
            found.stuck.append(f"order {order['_id']} is {order['status']}")
    for key, count in Counter((o["customer_id"], o["idempotency_key"]) for o in kept).items():
        if count > 1:
            found.doubled.append(f"{count} orders of one key, {key}")
    return orders


def _notifications(system: System, facts: Facts, orders: dict[str, dict], found: Findings) -> None:
    ids = {"user_id": {"$in": [who.id for who in facts.customers]}}
    fields = ("event_id", "channel", "user_id", "kind", "data")
    told = system.stores.find("notifications", "notifications", ids, *fields)
    for key, count in Counter((n["event_id"], n["channel"], n["user_id"]) for n in told).items():
        if count > 1:
            found.doubled.append(f"{count} notifications of one event, {key}")
    # An order is placed once and closed once in each way, so there is one event of each kind.
    kinds = Counter((n["data"].get("order_id"), n["user_id"], n["kind"]) for n in told)
    for (order_id, _, kind), count in kinds.items():
        if count > 1:
            found.doubled.append(f"{count} notifications of {kind} for order {order_id}")
    for order in orders.values():
        for kind in ("placed", order["status"]):
            about = (order["_id"], order["customer_id"], f"order.{kind}")
            if kind != "pending" and about not in kinds:
                found.lost.append(f"nobody told the customer order.{kind} of order {order['_id']}")


def _stock(system: System, facts: Facts, orders: dict[str, dict], found: Findings) -> None:
    facts.watch.look()
    changes = _written(system, facts, found)
    latest = {}
    for sample in sorted(facts.watch.samples, key=lambda sample: sample.version):
        latest[sample.product] = sample
        expected = facts.stock[sample.product] + sum(
            change
            for (product, version), change in changes.items()
            if product == sample.product and version < sample.version
        )
        if sample.stock + sample.reserved + sample.sold != expected:
            found.oversold.append(f"not conserved, {expected} units expected: {sample}")
        if min(sample.stock, sample.reserved, sample.sold) < 0:
            found.oversold.append(f"below zero: {sample}")
        if sample.reserved != sample.moving:
            found.oversold.append(f"reserved units that nobody moves: {sample}")
    bought: Counter[str] = Counter()
    for order in orders.values():
        for item in order["items"] if order["status"] == "confirmed" else []:
            bought[item["product_id"]] += item["quantity"]
    for product, sample in latest.items():
        if bought[product] > facts.stock[product] + sum(
            change for (pk, _), change in changes.items() if pk == product
        ):
            found.oversold.append(f"{bought[product]} units are in confirmed orders: {sample}")
        if sample.reserved:
            found.stuck.append(f"units are still reserved: {sample}")
        elif sample.sold > bought[product]:
            found.doubled.append(f"{bought[product]} units are in confirmed orders: {sample}")
        elif sample.sold < bought[product]:
            found.lost.append(f"{bought[product]} units are in confirmed orders: {sample}")


def _written(system: System, facts: Facts, found: Findings) -> dict[tuple[str, int], int]:
    """The writes of the admin that happened: those answered, and those that only an event tells."""
    told = {
        (event["subject"], event["sequence"] - 1) for event in system.tap.events("product.updated")
    }
    for product, version in facts.admin.answered - told:
        found.lost.append(f"nobody told product.updated of {product} after version {version}")
    happened = told | facts.admin.answered
    return {place: change for place, change in facts.admin.writes.items() if place in happened}


def _reservations(system: System, orders: dict[str, dict], found: Findings) -> None:
    wanted = {"_id": {"$in": list(orders)}}
    kept = system.stores.find("products", "reservations", wanted, "state")
    states = {reservation["_id"]: reservation["state"] for reservation in kept}
    for order in orders.values():
        state = states.get(order["_id"], "missing")
        if state not in RESERVATION.get(order["status"], {state}):
            found.stuck.append(f"order {order['_id']} is {order['status']}, its stock {state}")
    early = {"_id": {"$in": list(system.faults.forestalled)}}
    for reservation in system.stores.find("products", "reservations", early, "state"):
        if reservation["state"] != "released":
            found.stuck.append(f"cancelled before it was placed, yet {reservation}")


def _waiting(system: System, found: Findings) -> None:
    for collection, pk, kind in system.stores.unsent():
        found.stuck.append(f"{kind} waits in the outbox of {collection} {pk}")
    # the queues first: what is taken from one in between is seen where it is parked
    for queue, count in system.tap.waiting(QUEUES).items():
        if count:
            found.stuck.append(f"{count} messages wait in {queue}")
    for listener in LISTENERS:
        kept = system.stores.find(listener, "parked_events", {}, "type", "dead", "error")
        poison = {pk for who, pk in system.faults.poison if who == listener}
        for event in kept:
            if not event["dead"]:
                found.stuck.append(f"parked at {listener}: {event}")
            elif event["_id"] not in poison:
                found.stuck.append(f"dead at {listener}: {event}")
        for pk in poison - {event["_id"] for event in kept}:
            found.stuck.append(f"{pk} has not come to {listener}")


def examine_answers(system: System, facts: Facts) -> list[str]:
    """Where the API tells something else than the databases."""
    wrong = []
    orders = _orders(system, facts, Findings())
    for who in facts.customers:
        seen = {order["id"]: order["status"] for order in _pages(who, "/orders")}
        kept = {pk: o["status"] for pk, o in orders.items() if o["customer_id"] == who.id}
        if seen != kept:
            wrong.append(
                f"GET /orders of {who.id} differs: {set(seen.items()) ^ set(kept.items())}"
            )
        told = {n["data"].get("order_id") for n in _pages(who, "/notifications")}
        if missing := kept.keys() - told:
            wrong.append(f"GET /notifications of {who.id} does not tell of {missing}")
    for product in facts.stock:
        now = {"Cache-Control": "no-cache"}  # the gateway's answer may be a second old
        path = f"/products/{product}"
        answer = facts.admin.client.insist("GET", path, 200, headers=now).json()
        kept = system.stores.find("products", "products", {"_id": product}, "stock")
        if answer["stock"] != kept[0]["stock"]:
            wrong.append(f"GET {path}: {answer['stock']} free, kept are {kept}")
    return wrong


def _pages(who: Customer, path: str) -> list[dict]:
    items, cursor = [], None
    while True:
        params = {"limit": 100, **({"cursor": cursor} if cursor else {})}
        page = who.client.insist("GET", path, 200, params=params).json()
        items += page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            return items
