"""Shapes on the wire."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from .chassis.fields import MAX_INTEGER, Cursor, Id, In, Integer, Number, Out, Pattern, Text
from .models import MAX_AMOUNT, MAX_STOCK, Price
from .use_cases import SORTS

MAX_HEADER = 8000  # gunicorn refuses lines over 8,190 bytes, name and all


_NOT_BLANK = Pattern(r"^\S(.*\S)?$", error="One line, with no white space around it.")
_SKU = Pattern(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", error="Letters, digits and . _ -")
_CURRENCY = Pattern("^[A-Z]{3}$", error="Three letters, A to Z.")


class PriceInSchema(In):
    """An amount in minor units: 1999 EUR is 19.99 €."""

    amount = Integer(low=0, high=MAX_AMOUNT, required=True)
    currency = fields.String(required=True, validate=_CURRENCY, metadata={"maxLength": 3})

    @ma.post_load
    def to_price(self, data: dict, **_: object) -> Price:
        return Price(**data)


class _Whole(fields.Nested):
    """A nested value that stays whole where the rest may be partial."""

    def _load(self, value: object, partial: object = None) -> object:
        return super()._load(value, partial=False)


class ProductInSchema(In):
    """A product as an admin writes it."""

    example = {
        "sku": "COFFEE-1",
        "name": "Coffee beans, 1 kg",
        "description": "Roasted on Monday.",
        "price": {"amount": 1999, "currency": "EUR"},
        "category": "coffee",
        "stock": 100,
    }

    sku = Text(
        high=64,
        required=True,
        also=[_SKU],
        metadata={"description": "The shop's own number; unique among what is for sale"},
    )
    name = Text(high=200, required=True, also=[_NOT_BLANK])
    description = Text(low=0, high=5000, load_default="")
    price = _Whole(PriceInSchema, required=True)
    category = Text(high=100, required=True, also=[_NOT_BLANK])
    stock = Integer(
        low=0,
        high=MAX_STOCK,
        required=True,
        metadata={"description": "Free units: without those that orders have"},
    )


class ProductPatchSchema(ProductInSchema):
    """Some fields of a product."""

    example = {"stock": 80}

    @ma.validates_schema
    def not_empty(self, data: dict, **_: object) -> None:
        if not data:
            raise ma.ValidationError("Name at least one field.")


class PriceSchema(Out):
    """An amount in minor units: 1999 EUR is 19.99 €."""

    amount = Integer(low=0, high=MAX_AMOUNT, required=True)
    currency = Text(low=3, high=3, required=True)


class ProductSchema(Out):
    """A product that is for sale."""

    example = {
        "id": "c0ffee00-0000-4000-8000-000000000001",
        **ProductInSchema.example,
        "version": 1,
        "created_at": "2026-11-22T10:00:00+00:00",
        "updated_at": "2026-11-22T10:00:00+00:00",
    }

    id = Text(high=64, required=True)
    sku = Text(high=64, required=True)
    name = Text(high=200, required=True)
    description = Text(low=0, high=5000, required=True)
    price = fields.Nested(PriceSchema, required=True)
    category = Text(high=100, required=True)
    stock = Integer(low=0, high=MAX_INTEGER, required=True, metadata={"description": "Free units"})
    version = Integer(low=1, high=MAX_INTEGER, required=True)
    created_at = fields.AwareDateTime(required=True)
    updated_at = fields.AwareDateTime(required=True)


class ProductPageSchema(Out):
    """A page of products."""

    example = {"items": [ProductSchema.example], "next_cursor": None}

    items = fields.List(
        fields.Nested(ProductSchema), required=True, validate=validate.Length(max=100)
    )
    next_cursor = Text(high=512, required=True, allow_none=True)


class ProductQuerySchema(In):
    """Which products, in which order."""

    q = Text(
        high=100,
        metadata={"description": "Words that all occur in the product, whose first hundred count"},
    )
    id = fields.List(
        Id(),
        validate=validate.Length(1, 50),
        metadata={"description": "Of these, those that are for sale"},
    )
    category = Text(high=100)
    min_price = Number(
        validate=validate.Range(0, MAX_AMOUNT),
        metadata={"description": "In minor units; needs a sort by price"},
    )
    max_price = Number(
        validate=validate.Range(0, MAX_AMOUNT),
        metadata={"description": "In minor units; needs a sort by price"},
    )
    in_stock = fields.Boolean(truthy={"true"}, falsy={"false"})
    sort = fields.String(load_default="newest", validate=validate.OneOf(list(SORTS)))
    limit = Number(load_default=20, validate=validate.Range(1, 100))
    cursor = Cursor()


class IfMatchSchema(ma.Schema):
    """Which version a change is made to."""

    if_match = fields.String(
        data_key="If-Match",
        metadata={
            "description": "Required: the ETag that was read, or * for any version",
            "maxLength": MAX_HEADER,
        },
    )


class IfNoneMatchSchema(ma.Schema):
    """Which version the client has."""

    if_none_match = fields.String(
        data_key="If-None-Match",
        metadata={
            "description": "An ETag that was read: answers 304 if nothing has changed",
            "maxLength": MAX_HEADER,
        },
    )
