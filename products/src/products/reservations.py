"""What an order has of the stock: a state, and the one attempt that counts.

reserving → reserved → sold → returning → released, or reserving → rejected; and released from
everywhere before it is sold. Every change is one conditional update on (state, attempt), so of two
workers at the same order one loses and knows it.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import mongoengine as me
from prometheus_client import Counter

from . import events
from .chassis.database import Part
from .chassis.metrics import REGISTRY
from .chassis.outbox import OutboxDocument, entry, new_event, now
from .models import Move

STATES = ("reserving", "reserved", "rejected", "sold", "returning", "released")

CHANGES = Counter(
    "shop_reservations_total",
    "Times that the stock of an order became reserved, rejected, sold, …",
    ["state"],
    registry=REGISTRY,
)
for _state in STATES[1:]:
    CHANGES.labels(_state)


class Item(Part):
    """So many of a product."""

    product_id = me.StringField(required=True)
    quantity = me.IntField(required=True)


class Reservation(OutboxDocument):
    """The stock of one order; its id is the order's."""

    id = me.StringField(primary_key=True)
    items = me.EmbeddedDocumentListField(Item)
    state = me.StringField(choices=STATES, required=True)
    attempt = me.StringField(required=True)  # an attempt that was replaced never counts again
    answer = me.DictField()  # the event that answered order.placed, to be told again when asked
    version = me.IntField(default=1)
    updated_at = me.DateTimeField(default=now)

    meta = {"collection": "reservations", "indexes": [("state", "updated_at")]}

    @classmethod
    def begin(cls, order_id: str, items: list[Item]) -> Reservation:
        """A first attempt to reserve. Raises NotUniqueError if there was one before."""
        return cls._first(order_id, "reserving", items)

    @classmethod
    def forestall(cls, order_id: str) -> Reservation:
        """An order released before it was placed. Raises NotUniqueError if it was placed."""
        return cls._first(order_id, "released", [])

    @classmethod
    def unfinished(cls, since: datetime) -> me.QuerySet:
        """Those that somebody began to reserve or return, and has not touched since."""
        return cls.objects(state__in=("reserving", "returning"), updated_at__lte=since)

    def take_over(self) -> Reservation | None:
        """Under a fresh attempt, or None if it has changed: what the old one holds is stale."""
        return self._change(self.state, attempt=_fresh())

    def reserve(self) -> Reservation | None:
        """Now reserved, or None if this attempt no longer counts."""
        return self._change("reserved", self._event("stock.reserved"), answers=True)

    def reject(self, short: list[dict[str, Any]]) -> Reservation | None:
        """Now rejected, or None if this attempt no longer counts."""
        event = self._event("stock.rejected", reason="out_of_stock", items=short)
        return self._change("rejected", event, answers=True)

    def sell(self) -> Reservation | None:
        """Now sold, or None if it has changed."""
        return self._change("sold")

    def begin_return(self) -> Reservation | None:
        """Now on the way back under a fresh attempt, or None if it has changed."""
        return self._change("returning", attempt=_fresh())

    def release(self) -> Reservation | None:
        """Now released, told if units come back by it; None if it has changed."""
        told = self.state in ("reserved", "returning")
        return self._change("released", self._event("stock.released") if told else None)

    def place_of(self, move: Move) -> str | None:
        """Where the units of an open move belong, or None while that is not decided."""
        if move.attempt != self.attempt or self.state == "rejected":
            return move.source
        return {"sold": "sold", "released": "stock"}.get(self.state)

    @classmethod
    def _first(cls, order_id: str, state: str, items: list[Item]) -> Reservation:
        return cls(id=order_id, state=state, items=items, attempt=_fresh()).insert()

    def _change(
        self,
        state: str,
        event: dict[str, Any] | None = None,
        *,
        answers: bool = False,
        attempt: str | None = None,
    ) -> Reservation | None:
        changes: dict[str, Any] = {"push__outbox": entry(event)} if event else {}
        if answers:
            changes["set__answer"] = event
        attempt, moment = attempt or self.attempt, now()
        unchanged = Reservation.objects(id=self.id, state=self.state, attempt=self.attempt)
        changed = unchanged.update_one(
            set__state=state,
            set__attempt=attempt,
            set__updated_at=moment,
            inc__version=1,
            **changes,
        )
        if not changed:
            return None
        if state != self.state:
            CHANGES.labels(state).inc()
        # Not read again: by now it may be another worker's attempt.
        self.state, self.attempt, self.updated_at = state, attempt, moment
        self.version += 1
        return self

    def _event(self, kind: str, **data: Any) -> dict[str, Any]:
        items = [{"product_id": i.product_id, "quantity": i.quantity} for i in self.items]
        told = {"order_id": self.id, "items": items, **data}
        return new_event(events.SERVICE, kind, self.id, self.version + 1, told)


def _fresh() -> str:
    return str(uuid.uuid4())
