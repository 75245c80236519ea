"""The facts that products tells and hears."""

from __future__ import annotations

from typing import Any

SERVICE = "products"

_ID = {"type": "string", "minLength": 1}
_MONEY = {
    "type": "object",
    "required": ["amount", "currency"],
    "properties": {
        "amount": {"type": "integer", "description": "In minor units (cents)"},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
    },
}
_ITEM = {
    "type": "object",
    "required": ["product_id", "quantity"],
    "properties": {"product_id": _ID, "quantity": {"type": "integer", "minimum": 1}},
}
_SHORT = {
    "type": "object",
    "required": ["product_id", "requested", "left"],
    "properties": {
        "product_id": _ID,
        "requested": {"type": "integer"},
        "left": {"type": "integer", "description": "How many could still be had"},
    },
}


def _product(description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "required": ["product_id", "sku", "name", "price", "category"],
        "properties": {
            "product_id": _ID,
            "sku": {"type": "string"},
            "name": {"type": "string"},
            "price": _MONEY,
            "category": {"type": "string"},
        },
    }


def _stock(description: str, item: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "required": ["order_id", "items", *more],
        "properties": {"order_id": _ID, "items": {"type": "array", "items": item}, **more},
    }


TELLS: dict[str, dict[str, Any]] = {
    "product.created": _product("A product is for sale"),
    "product.updated": _product("A product was changed by an admin"),
    "product.deleted": _product("A product is no longer for sale"),
    "stock.reserved": _stock("All that an order wants is set aside for it", _ITEM),
    "stock.rejected": _stock(
        "Too few were left, so nothing is set aside",
        _SHORT,
        reason={"enum": ["out_of_stock"]},
    ),
    "stock.released": _stock("What an order had is free again", _ITEM),
}

# They wait in the outbox while no queue takes them: orders stand still without an answer.
MUST_BE_HEARD = frozenset({"stock.reserved", "stock.rejected"})

_OF_ORDER = {"type": "object", "required": ["order_id"], "properties": {"order_id": _ID}}

# What products reads of the events it hears; they may hold more.
HEARS: dict[str, dict[str, Any]] = {
    "order.placed": {
        "type": "object",
        "required": ["order_id", "items"],
        "properties": {
            "order_id": _ID,
            "items": {"type": "array", "minItems": 1, "items": _ITEM},
        },
    },
    "order.confirmed": _OF_ORDER,
    "order.cancelled": _OF_ORDER,
    "order.rejected": _OF_ORDER,
}
