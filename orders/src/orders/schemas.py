"""Shapes on the wire."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from .chassis.fields import Integer, Text
from .models import STATUSES


class In(ma.Schema):
    """What comes in: nothing undeclared."""

    class Meta:
        unknown = ma.RAISE


class MoneySchema(ma.Schema):
    """An amount in minor units: 1999 EUR is 19.99 €."""

    amount = fields.Integer(required=True)
    currency = fields.String(required=True)


class OrderItemInSchema(In):
    """So many of a product."""

    product_id = Text(high=64, required=True)
    quantity = Integer(low=1, high=1000, required=True)


class OrderInSchema(In):
    """What to order; prices and total are worked out here."""

    items = fields.List(
        fields.Nested(OrderItemInSchema), required=True, validate=validate.Length(1, 50)
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


class OrderItemSchema(ma.Schema):
    """So many of a product, at the price it had when ordered."""

    product_id = fields.String(required=True)
    name = fields.String(required=True)
    price = fields.Nested(MoneySchema, required=True)
    quantity = fields.Integer(required=True)


class ShortItemSchema(ma.Schema):
    """Fewer were left than asked for."""

    product_id = fields.String(required=True)
    name = fields.String(required=True)
    requested = fields.Integer(required=True)
    left = fields.Integer(required=True)


class OrderSchema(ma.Schema):
    """An order and what became of it."""

    id = fields.String(required=True)
    customer_id = fields.String(required=True)
    items = fields.List(fields.Nested(OrderItemSchema), required=True)
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
        metadata={"description": "Of a rejected order: what was short, and how many were left"},
    )
    version = fields.Integer(required=True)
    created_at = fields.AwareDateTime(required=True)
    updated_at = fields.AwareDateTime(required=True)


class OrderQuerySchema(In):
    """Which orders."""

    status = fields.String(validate=validate.OneOf(STATUSES))
    customer_id = Text(high=64, metadata={"description": "Admins only; others see their own"})
    limit = fields.Integer(load_default=20, validate=validate.Range(1, 100))
    cursor = Text(high=512)


class OrderPageSchema(ma.Schema):
    """A page of orders."""

    items = fields.List(fields.Nested(OrderSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)
