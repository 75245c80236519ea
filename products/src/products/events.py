"""The facts that products tells and hears."""

from __future__ import annotations

from typing import Any

from .chassis import session_news

SERVICE = "products"


def _text(high: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": high}


def _count(low: int, high: int, **more: str) -> dict[str, Any]:
    return {"type": "integer", "format": "int64", "minimum": low, "maximum": high, **more}


_ID = _text(64)
_MONEY = {
    "type": "object",
    "required": ["amount", "currency"],
    "properties": {
        "amount": _count(0, 10**12, description="In minor units (cents)"),
        "currency": {"type": "string", "maxLength": 3, "pattern": "^[A-Z]{3}$"},
    },
}
_ITEM = {
    "type": "object",
    "required": ["product_id", "quantity"],
    "properties": {"product_id": _ID, "quantity": _count(1, 1000)},
}
_SHORT = {
    "type": "object",
    "required": ["product_id", "requested", "left"],
    "properties": {
        "product_id": _ID,
        "requested": _count(1, 1000),
        "left": _count(0, 2**53 - 1, description="How many could still be had"),
    },
}

_COFFEE = "c0ffee00-0000-4000-8000-000000000001"
_TWO = {"items": [{"product_id": _COFFEE, "quantity": 2}]}


def _product(description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "required": ["product_id", "sku", "name", "price", "category"],
        "properties": {
            "product_id": _ID,
            "sku": _text(64),
            "name": _text(200),
            "price": _MONEY,
            "category": _text(100),
        },
        "examples": [
            {
                "product_id": _COFFEE,
                "sku": "COFFEE-1",
                "name": "Coffee beans, 1 kg",
                "price": {"amount": 1999, "currency": "EUR"},
                "category": "coffee",
            }
        ],
    }


def _stock(
    description: str, item: dict[str, Any], example: dict[str, Any], **more: Any
) -> dict[str, Any]:
    items = {"type": "array", "maxItems": 50, "items": item}
    order = {"order_id": "0b8f7d0c-2f0a-4f35-9f0e-1d1a1c1b1e01"}
    return {
        "type": "object",
        "description": description,
        "required": ["order_id", "items", *more],
        "properties": {"order_id": _ID, "items": items, **more},
        "examples": [{**order, **example}],
    }


TELLS: dict[str, dict[str, Any]] = {
    "product.created": _product("A product is for sale"),
    "product.updated": _product("A product was changed by an admin"),
    "product.deleted": _product("A product is no longer for sale"),
    "stock.reserved": _stock("All that an order wants is set aside for it", _ITEM, _TWO),
    "stock.rejected": _stock(
        "Too few were left, so nothing is set aside",
        _SHORT,
        {
            "reason": "out_of_stock",
            "items": [{"product_id": _COFFEE, "requested": 2, "left": 1}],
        },
        reason={"enum": ["out_of_stock"]},
    ),
    "stock.released": _stock("What an order had is free again", _ITEM, _TWO),
}

# Whom they are told for; others may listen too.
HEARD_BY = {"stock.reserved": ("orders",), "stock.rejected": ("orders",)}

# They wait in the outbox while no queue takes them: orders stand still without an answer.
MUST_BE_HEARD = frozenset({"stock.reserved", "stock.rejected"})

# What products reads of the events it hears; they may hold more.
_SOME_ID = {"type": "string", "minLength": 1}
_WANTED = {
    "type": "object",
    "required": ["product_id", "quantity"],
    "properties": {"product_id": _SOME_ID, "quantity": {"type": "integer", "minimum": 1}},
}
_OF_ORDER = {"type": "object", "required": ["order_id"], "properties": {"order_id": _SOME_ID}}
HEARS: dict[str, dict[str, Any]] = {
    **session_news.HEARS,
    "order.placed": {
        "type": "object",
        "required": ["order_id", "items"],
        "properties": {
            "order_id": _SOME_ID,
            "items": {"type": "array", "minItems": 1, "items": _WANTED},
        },
    },
    "order.confirmed": _OF_ORDER,
    "order.cancelled": _OF_ORDER,
    "order.rejected": _OF_ORDER,
}
