"""What an order is, how it may change, and the event that each change tells.

Every change is one conditional update that also keeps its event, so a fact is never saved untold
and of two changes at once only one happens.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import mongoengine as me

from . import events
from .chassis.database import Part
from .chassis.outbox import OutboxDocument, entry, new_event, now

STATUSES = ("pending", "confirmed", "rejected", "cancelled")
# pending → confirmed | rejected | cancelled, confirmed → cancelled
_BEFORE = {"confirmed": ("pending",), "rejected": ("pending",), "cancelled": STATUSES[:2]}


class Money(Part):
    """An amount in minor units (cents)."""

    amount = me.IntField(required=True)
    currency = me.StringField(required=True)


class OrderItem(Part):
    """So many of a product, at the price and under the name it had when ordered."""

    product_id = me.StringField(required=True)
    name = me.StringField(required=True)
    price = me.EmbeddedDocumentField(Money, required=True)
    quantity = me.IntField(required=True)


class ShortItem(Part):
    """Why an order was rejected: fewer were left than asked for."""

    product_id = me.StringField(required=True)
    name = me.StringField(required=True)
    requested = me.IntField(required=True)
    left = me.IntField(required=True)


class Order(OutboxDocument):
    """An order of one customer."""

    id = me.StringField(primary_key=True)
    customer_id = me.StringField(required=True)
    items = me.EmbeddedDocumentListField(OrderItem)
    total = me.EmbeddedDocumentField(Money, required=True)
    status = me.StringField(choices=STATUSES, default="pending")
    reason = me.StringField()
    short_items = me.EmbeddedDocumentListField(ShortItem)
    version = me.IntField(default=1)
    created_at = me.DateTimeField(default=now)
    updated_at = me.DateTimeField(default=now)

    idempotency_key = me.StringField(required=True)
    body_hash = me.StringField(required=True)

    placed = me.DictField()  # the event, to be told again when its answer is late
    closing = me.DictField()  # the event that closed the order, to be told again when asked
    check_at = me.DateTimeField()  # when a pending order is looked after
    asked_again = me.BooleanField(default=False)

    meta = {
        "collection": "orders",
        "indexes": [
            {"fields": ["customer_id", "idempotency_key"], "unique": True},
            ("customer_id", "-created_at", "-id"),
            ("-created_at", "-id"),
            ("status", "check_at"),
        ],
    }

    @classmethod
    def place(cls, order: Order, saga_timeout: float) -> Order:
        """Save a new order and its order.placed in one write.

        Raises NotUniqueError if the customer has used the idempotency key.
        """
        order.placed = order._event(
            "order.placed",
            1,
            items=[{"product_id": i.product_id, "quantity": i.quantity} for i in order.items],
            total=order.total.to_mongo().to_dict(),
        )
        order.outbox = [entry(order.placed)]
        order.check_at = now() + timedelta(seconds=saga_timeout)
        return order.insert()

    def confirm(self) -> bool:
        """Confirm it; False if it has changed since it was read."""
        return self._close("confirmed", total=self.total.to_mongo().to_dict())

    def reject(self, reason: str, short: list[ShortItem]) -> bool:
        """Reject it; False if it has changed since it was read."""
        told = [item.to_mongo().to_dict() for item in short]
        changes = {"set__reason": reason, "set__short_items": short}
        return self._close("rejected", changes, reason=reason, items=told)

    def cancel(self) -> bool:
        """Cancel it; False if it has changed since it was read."""
        return self._close("cancelled")

    def ask_again(self, saga_timeout: float) -> None:
        """Tell order.placed once more, since its answer is late."""
        later = now() + timedelta(seconds=saga_timeout)
        still = {"status": "pending", "asked_again": False}
        Order.tell_again(self.id, self.placed, still, set__asked_again=True, set__check_at=later)

    def tell_outcome_again(self) -> None:
        """Tell the event that closed the order once more, since somebody does not know it."""
        Order.tell_again(self.id, self.closing)

    @classmethod
    def unanswered(cls, at: datetime) -> me.QuerySet:
        """Pending orders whose time to be looked after has come."""
        return cls.objects(status="pending", check_at__lte=at).limit(100)

    def _close(self, status: str, changes: dict[str, Any] | None = None, **data: Any) -> bool:
        if self.status not in _BEFORE[status]:
            return False
        event = self._event(f"order.{status}", self.version + 1, **data)
        unchanged = Order.objects(id=self.id, status=self.status, version=self.version)
        closed = unchanged.update_one(
            set__status=status,
            set__updated_at=now(),
            set__closing=event,
            push__outbox=entry(event),
            inc__version=1,
            unset__check_at=1,
            **(changes or {}),
        )
        return bool(closed)

    def _event(self, kind: str, sequence: int, **data: Any) -> dict[str, Any]:
        told = {"order_id": self.id, "customer_id": self.customer_id, **data}
        return new_event(events.SERVICE, kind, self.id, sequence, told)
