"""What a product is, and how its units move between free, reserved and sold.

Every change is one conditional update that raises the version. `stock + reserved + sold` changes
only when an admin writes the stock.
"""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Mapping
from typing import Any

import mongoengine as me

from . import events
from .chassis.database import Part
from .chassis.outbox import OutboxDocument, entry, new_event, now

MAX_AMOUNT = 10**12
MAX_STOCK = 10**9
MAX_WORDS = 100


class Price(Part):
    """An amount in minor units (cents)."""

    amount = me.IntField(required=True)
    currency = me.StringField(required=True)


class Move(Part):
    """Units in `reserved` on their way from one counter to another, for one attempt of an order."""

    order_id = me.StringField(required=True)
    attempt = me.StringField(required=True)
    quantity = me.IntField(required=True)
    source = me.StringField(choices=("stock", "sold"), required=True)
    at = me.DateTimeField(required=True)


class Product(OutboxDocument):
    """Something for sale. A deleted one stays, so that units can still come back to it."""

    id = me.StringField(primary_key=True)
    sku = me.StringField(required=True)
    name = me.StringField(required=True)
    description = me.StringField()
    price = me.EmbeddedDocumentField(Price, required=True)
    category = me.StringField(required=True)
    words = me.ListField(me.StringField())  # what a search finds it by

    stock = me.IntField(required=True)  # free: nobody has asked for these
    reserved = me.IntField(default=0)
    sold = me.IntField(default=0)
    moves = me.EmbeddedDocumentListField(Move)  # only open ones, so the document stays small

    version = me.IntField(default=1)
    created_at = me.DateTimeField(default=now)
    updated_at = me.DateTimeField(default=now)
    deleted_at = me.DateTimeField()

    meta = {
        "collection": "products",
        "indexes": [
            # among the living, who all have no deleted_at, a sku is unique
            {"fields": ["sku", "deleted_at"], "unique": True},
            ("deleted_at", "created_at", "id"),
            ("deleted_at", "price.amount", "id"),
            ("deleted_at", "category", "created_at", "id"),
            ("deleted_at", "category", "price.amount", "id"),
            ("deleted_at", "words", "created_at", "id"),
            ("deleted_at", "words", "price.amount", "id"),
            {"fields": ["moves.at"], "sparse": True},
        ],
    }

    @classmethod
    def add(cls, values: Mapping[str, Any]) -> Product:
        """Save a new product and its product.created in one write. Raises NotUniqueError."""
        product = cls(id=str(uuid.uuid4()), **values)
        product.words = words_of(product)
        product.outbox = [entry(product._event("product.created", 1))]
        return product.insert()

    def change(self, values: Mapping[str, Any]) -> Product | None:
        """Changed, or None if it has changed since it was read. Raises NotUniqueError."""
        for name, value in values.items():
            setattr(self, name, value)
        changes = {f"set__{name}": getattr(self, name) for name in values}
        return self._write("product.updated", set__words=words_of(self), **changes)

    def delete_softly(self) -> Product | None:
        """No longer for sale, or None if it has changed since it was read."""
        return self._write("product.deleted", set__deleted_at=now())

    @classmethod
    def hold(cls, pk: str, order_id: str, attempt: str, quantity: int, source: str) -> bool:
        """Take units out of `source`; False if there are too few, or the order has an open move."""
        takes = {"_id": pk, source: {"$gte": quantity}, "moves.order_id": {"$ne": order_id}}
        if source == "stock":
            takes["deleted_at"] = None  # nothing of a deleted product is for sale
        move = Move(order_id=order_id, attempt=attempt, quantity=quantity, source=source, at=now())
        counts = {source: -quantity, "reserved": quantity, "version": 1}
        held = {"$inc": counts, "$push": {"moves": move.to_mongo().to_dict()}}
        return bool(cls.objects(__raw__=takes).update_one(__raw__=held))

    @classmethod
    def settle(cls, pk: str, order_id: str, attempt: str, quantity: int, target: str) -> bool:
        """Bring the units of an open move to `target`; False if there is no such move (any more).

        To undo a move is to settle it to its own source.
        """
        move = {"order_id": order_id, "attempt": attempt}
        there = {"_id": pk, "moves": {"$elemMatch": {**move, "quantity": quantity}}}
        counts = {"reserved": -quantity, target: quantity, "version": 1}
        settled = {"$inc": counts, "$pull": {"moves": move}}
        return bool(cls.objects(__raw__=there).update_one(__raw__=settled))

    def _write(self, kind: str, **changes: Any) -> Product | None:
        unchanged = {"_id": self.id, "version": self.version, "deleted_at": None}
        return Product.objects(__raw__=unchanged).modify(
            new=True,
            inc__version=1,
            set__updated_at=now(),
            push__outbox=entry(self._event(kind, self.version + 1)),
            **changes,
        )

    def _event(self, kind: str, sequence: int) -> dict[str, Any]:
        told = {
            "product_id": self.id,
            "sku": self.sku,
            "name": self.name,
            "price": {"amount": self.price.amount, "currency": self.price.currency},
            "category": self.category,
        }
        return new_event(events.SERVICE, kind, self.id, sequence, told)


def words_in(text: str) -> list[str]:
    """The words of a text as they are searched: each once, lower case, in one Unicode form."""
    found = re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())
    return list(dict.fromkeys(found))[:MAX_WORDS]


def words_of(product: Product) -> list[str]:
    """All words that a product is found by."""
    texts = (product.name, product.sku, product.category, product.description or "")
    return words_in(" ".join(texts))
