"""What orders does, verb by verb."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from mongoengine import NotUniqueError
from pymongo.errors import ConnectionFailure

from .catalogue import Catalogue, CatalogueItem
from .chassis import cursors
from .chassis.logs import log
from .chassis.outbox import now
from .errors import IdempotencyKeyReused, InvalidItems, OrderAlreadyClosed, OrderNotFound
from .models import Money, Order, OrderItem, ShortItem

Wanted = list[dict]  # [{product_id, quantity}], every product once
NOT_SHOWN = "outbox", "placed", "closing"  # for the worker, and half of an order


@dataclass(frozen=True)
class Page:
    """Some rows of a list, and where the next begin (None: there are none)."""

    items: list[Order]
    next_cursor: str | None


def place_order(
    customer_id: str, key: str, wanted: Wanted, catalogue: Catalogue, saga_timeout: float
) -> Order:
    """The customer's order of this idempotency key: a new one, or the one it made before.

    Raises IdempotencyKeyReused, InvalidItems, CatalogueUnavailable.
    """
    body_hash = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
    if before := _of_key(customer_id, key, body_hash):
        return before
    items = _priced(wanted, catalogue.find([item["product_id"] for item in wanted]))
    total = sum(item.price.amount * item.quantity for item in items)
    order = Order(
        id=str(uuid.uuid4()),
        customer_id=customer_id,
        items=items,
        total=Money(amount=total, currency=items[0].price.currency),
        idempotency_key=key,
        body_hash=body_hash,
    )
    try:
        Order.place(order, saga_timeout)
    except NotUniqueError:  # the same key, at the same moment: the other request was first
        if before := _of_key(customer_id, key, body_hash):
            return before
        raise
    log.info("order.placed", order_id=order.id)
    return order


def get_order(order_id: str, customer_id: str | None) -> Order:
    """An order; with a customer only if it is theirs. Raises OrderNotFound."""
    order = next(Order.objects(id=order_id).exclude(*NOT_SHOWN), None)
    if order is None or customer_id not in (None, order.customer_id):
        raise OrderNotFound
    return order


def list_orders(
    customer_id: str | None, status: str | None, limit: int, cursor: str | None
) -> Page:
    """Orders, newest first, of one customer or of all. Raises InvalidCursor."""
    filters = {"customer_id": customer_id, "status": status}
    found = Order.objects(**{name: value for name, value in filters.items() if value})
    return Page(*cursors.newest(found.exclude(*NOT_SHOWN), filters, limit, cursor))


def cancel_order(order_id: str, customer_id: str | None) -> Order:
    """The order, cancelled now or before. Raises OrderNotFound, OrderAlreadyClosed."""
    while True:
        order = get_order(order_id, customer_id)
        if order.status == "cancelled":
            return order
        if order.status == "rejected":
            raise OrderAlreadyClosed(order.status)
        order.cancel()


def confirm_order(order_id: str) -> None:
    """Stock was reserved. An order that is closed says so again, so that its stock goes free."""
    _decide(order_id, Order.confirm)


def reject_order(order_id: str, short: dict[str, tuple[int, int]]) -> None:
    """Stock was short: `short` is {product id: (requested, left)}."""

    def reject(order: Order) -> bool:
        names = {item.product_id: item.name for item in order.items}
        items = [
            ShortItem(product_id=pk, name=names.get(pk, pk), requested=asked, left=left)
            for pk, (asked, left) in short.items()
        ]
        return order.reject("out_of_stock", items)

    _decide(order_id, reject)


def look_after_pending(saga_timeout: float) -> None:
    """Ask again for orders without an answer, and reject those that got none twice."""
    for order in Order.unanswered(now()):
        try:
            if order.asked_again:
                order.reject("timeout", [])
            else:
                order.ask_again(saga_timeout)
        except ConnectionFailure:  # the database is away: for the others too
            raise
        except Exception as error:  # the edge: one that fails keeps none behind it waiting
            log.error("order.neglected", order_id=order.id, error=repr(error))
        else:
            log.warning("order.unanswered", order_id=order.id, rejected=order.asked_again)


def _decide(order_id: str, close: Callable[[Order], bool]) -> None:
    while order := Order.objects(id=order_id).first():
        if order.status != "pending":
            order.tell_outcome_again()
            return
        if close(order):
            return
    log.warning("order.unknown", order_id=order_id)


def _of_key(customer_id: str, key: str, body_hash: str) -> Order | None:
    before = Order.objects(customer_id=customer_id, idempotency_key=key).first()
    if before and before.body_hash != body_hash:
        raise IdempotencyKeyReused
    return before


def _priced(wanted: Wanted, found: dict[str, CatalogueItem]) -> list[OrderItem]:
    unknown = [n for n, item in enumerate(wanted) if item["product_id"] not in found]
    if unknown:
        message = "Not in the catalogue."
        raise InvalidItems(
            [{"pointer": f"/items/{n}/product_id", "message": message} for n in unknown]
        )
    if len({found[item["product_id"]].currency for item in wanted}) > 1:
        message = "One order has one currency."
        raise InvalidItems([{"pointer": "/items", "message": message}])
    return [_item(found[item["product_id"]], **item) for item in wanted]


def _item(product: CatalogueItem, product_id: str, quantity: int) -> OrderItem:
    price = Money(amount=product.amount, currency=product.currency)
    return OrderItem(product_id=product_id, name=product.name, price=price, quantity=quantity)
