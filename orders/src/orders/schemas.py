"""Shapes on the wire."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from .chassis.fields import MAX_INTEGER, Cursor, Id, In, Integer, Number, Out, Text
from .models import STATUSES

MAX_AMOUNT = 10**12  # of one unit; so products has it
MAX_QUANTITY, MAX_ITEMS = 1000, 50
_PRICE = {"amount": 1999, "currency": "EUR"}


class MoneySchema(Out):
    """An amount in minor units: 1999 EUR is 19.99 €."""

    amount = Integer(low=0, high=MAX_ITEMS * MAX_QUANTITY * MAX_AMOUNT, required=True)
    currency = Text(low=3, high=3, required=True)


class OrderItemInSchema(In):
    """So many of a product."""

    product_id = Id(required=True)
    quantity = Integer(low=1, high=MAX_QUANTITY, required=True)


class OrderInSchema(In):
    """What to order; prices and total are worked out here."""

    example = {"items": [{"product_id": "c0ffee00-0000-4000-8000-000000000001", "quantity": 2}]}

    items = fields.List(
        fields.Nested(OrderItemInSchema), required=True, validate=validate.Length(1, MAX_ITEMS)
    )

    @ma.validates("items")
    def each_product_once(self, items: list[dict], data_key: str) -> None:
        ids = [item["product_id"] for item in items if "product_id" in item]
        if len(set(ids)) < len(ids):
            raise ma.ValidationError("Name each product once.")


class IdempotencyKeySchema(ma.Schema):
    """A key of the client's making: the same key never orders twice."""

    idempotency_key = Text(
        high=128,
        data_key="Idempotency-Key",
        metadata={"description": "Required: a fresh UUID for each new order"},
    )


class OrderItemSchema(Out):
    """So many of a product, at the price it had when ordered."""

    product_id = Text(high=64, required=True)
    name = Text(high=200, required=True)
    price = fields.Nested(MoneySchema, required=True)
    quantity = Integer(low=1, high=MAX_QUANTITY, required=True)


class ShortItemSchema(Out):
    """Fewer were left than asked for."""

    product_id = Text(high=64, required=True)
    name = Text(high=200, required=True)
    requested = Integer(low=1, high=MAX_QUANTITY, required=True)
    left = Integer(low=0, high=MAX_INTEGER, required=True)


class OrderSchema(Out):
    """An order and what became of it."""

    example = {
        "id": "0b8f7d0c-2f0a-4f35-9f0e-1d1a1c1b1e01",
        "customer_id": "7d4e9a52-91b8-4a57-8a9e-2f6c5d3b1a10",
        "items": [
            {
                "product_id": "c0ffee00-0000-4000-8000-000000000001",
                "name": "Coffee beans, 1 kg",
                "price": _PRICE,
                "quantity": 2,
            }
        ],
        "total": {"amount": 3998, "currency": "EUR"},
        "status": "pending",
        "reason": None,
        "short_items": [],
        "version": 1,
        "created_at": "2026-11-22T10:00:00+00:00",
        "updated_at": "2026-11-22T10:00:00+00:00",
    }

    id = Text(high=64, required=True)
    customer_id = Text(high=64, required=True)
    items = fields.List(
        fields.Nested(OrderItemSchema), required=True, validate=validate.Length(1, MAX_ITEMS)
    )
    total = fields.Nested(MoneySchema, required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    reason = fields.String(
        required=True,
        allow_none=True,
        validate=validate.OneOf(["out_of_stock", "timeout"]),
        metadata={"description": "Why a rejected order was rejected"},
    )
    short_items = fields.List(
        fields.Nested(ShortItemSchema),
        required=True,
        validate=validate.Length(max=MAX_ITEMS),
        metadata={"description": "Of a rejected order: what was short, and how many were left"},
    )
    version = Integer(low=1, high=MAX_INTEGER, required=True)
    created_at = fields.AwareDateTime(required=True)
    updated_at = fields.AwareDateTime(required=True)


class OrderQuerySchema(In):
    """Which orders."""

    status = fields.String(validate=validate.OneOf(STATUSES))
    customer_id = Id(metadata={"description": "Admins only; others see their own"})
    limit = Number(load_default=20, validate=validate.Range(1, 100))
    cursor = Cursor()


class OrderPageSchema(Out):
    """A page of orders."""

    example = {"items": [OrderSchema.example], "next_cursor": None}

    items = fields.List(
        fields.Nested(OrderSchema), required=True, validate=validate.Length(max=100)
    )
    next_cursor = Text(high=512, required=True, allow_none=True)
