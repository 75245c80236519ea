"""The facts that orders tells and hears."""

from __future__ import annotations

from typing import Any

from .chassis import session_news

SERVICE = "orders"

_ID = {"type": "string", "minLength": 1, "maxLength": 64}
_MONEY = {
    "type": "object",
    "required": ["amount", "currency"],
    "properties": {
        "amount": {
            "type": "integer",
            "format": "int64",
            "minimum": 0,
            "maximum": 50 * 1000 * 10**12,  # items, of each, minor units
            "description": "In minor units (cents)",
        },
        "currency": {"type": "string", "maxLength": 3, "pattern": "^[A-Z]{3}$"},
    },
}


def _data(description: str, example: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """What a fact holds: the ids, and `properties`, of which `example` has each."""
    properties = {"order_id": _ID, "customer_id": _ID, **properties}
    ids = {
        "order_id": "0b8f7d0c-2f0a-4f35-9f0e-1d1a1c1b1e01",
        "customer_id": "7d4e9a52-91b8-4a57-8a9e-2f6c5d3b1a10",
    }
    return {
        "type": "object",
        "description": description,
        "required": list(properties),
        "properties": properties,
        "examples": [{**ids, **example}],
    }


def _items(item: dict[str, Any], at_least: int) -> dict[str, Any]:
    return {"type": "array", "minItems": at_least, "maxItems": 50, "items": item}


def _count(low: int, high: int, **more: str) -> dict[str, Any]:
    return {"type": "integer", "format": "int64", "minimum": low, "maximum": high, **more}


_COFFEE = "c0ffee00-0000-4000-8000-000000000001"
_PAID = {"amount": 3998, "currency": "EUR"}
_ORDERED = {
    "type": "object",
    "required": ["product_id", "quantity"],
    "properties": {"product_id": _ID, "quantity": _count(1, 1000)},
}
_SHORT = {
    "type": "object",
    "required": ["product_id", "name", "requested", "left"],
    "properties": {
        "product_id": _ID,
        "name": {"type": "string", "maxLength": 200},
        "requested": _count(1, 1000),
        "left": _count(0, 2**53 - 1, description="How many could still be had"),
    },
}

TELLS: dict[str, dict[str, Any]] = {
    "order.placed": _data(
        "An order was placed and waits for its stock",
        {"items": [{"product_id": _COFFEE, "quantity": 2}], "total": _PAID},
        items=_items(_ORDERED, at_least=1),
        total=_MONEY,
    ),
    "order.confirmed": _data("An order has its stock", {"total": _PAID}, total=_MONEY),
    "order.rejected": _data(
        "An order could not be had",
        {
            "reason": "out_of_stock",
            "items": [
                {"product_id": _COFFEE, "name": "Coffee beans, 1 kg", "requested": 2, "left": 1}
            ],
        },
        reason={"enum": ["out_of_stock", "timeout"]},
        items=_items(_SHORT, at_least=0),  # none, when nobody answered in time
    ),
    "order.cancelled": _data("An order was cancelled", {}),
}

# Whom they are told for; others may listen too.
HEARD_BY = dict.fromkeys(TELLS, ("products", "notifications"))

# They wait in the outbox while no queue takes them; the shop stands still without a listener.
MUST_BE_HEARD = frozenset(TELLS)

# What orders reads of the events it hears; they may hold more.
_SOME_ID = {"type": "string", "minLength": 1}
HEARS: dict[str, dict[str, Any]] = {
    **session_news.HEARS,
    "stock.reserved": {
        "type": "object",
        "required": ["order_id"],
        "properties": {"order_id": _SOME_ID},
    },
    "stock.rejected": {
        "type": "object",
        "required": ["order_id", "items"],
        "properties": {
            "order_id": _SOME_ID,
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["product_id", "requested", "left"],
                    "properties": {
                        "product_id": _SOME_ID,
                        "requested": {"type": "integer"},
                        "left": {"type": "integer"},
                    },
                },
            },
        },
    },
}
