"""The facts that orders tells and hears."""

from __future__ import annotations

from typing import Any

SERVICE = "orders"

_ID = {"type": "string", "minLength": 1}
_MONEY = {
    "type": "object",
    "required": ["amount", "currency"],
    "properties": {
        "amount": {"type": "integer", "description": "In minor units (cents)"},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
    },
}


def _data(description: str, required: list[str], **properties: Any) -> dict[str, Any]:
    properties = {"order_id": _ID, "customer_id": _ID, **properties}
    return {
        "type": "object",
        "description": description,
        "required": ["order_id", "customer_id", *required],
        "properties": properties,
    }


_ORDERED = {
    "type": "object",
    "required": ["product_id", "quantity"],
    "properties": {"product_id": _ID, "quantity": {"type": "integer", "minimum": 1}},
}
_SHORT = {
    "type": "object",
    "required": ["product_id", "name", "requested", "left"],
    "properties": {
        "product_id": _ID,
        "name": {"type": "string"},
        "requested": {"type": "integer"},
        "left": {"type": "integer", "description": "How many could still be had"},
    },
}

TELLS: dict[str, dict[str, Any]] = {
    "order.placed": _data(
        "An order was placed and waits for its stock",
        ["items", "total"],
        items={"type": "array", "items": _ORDERED},
        total=_MONEY,
    ),
    "order.confirmed": _data("An order has its stock", ["total"], total=_MONEY),
    "order.rejected": _data(
        "An order could not be had",
        ["reason", "items"],
        reason={"enum": ["out_of_stock", "timeout"]},
        items={"type": "array", "items": _SHORT},
    ),
    "order.cancelled": _data("An order was cancelled", []),
}

# They wait in the outbox while no queue takes them; the shop stands still without a listener.
MUST_BE_HEARD = frozenset(TELLS)

# What orders reads of the events it hears; they may hold more.
HEARS: dict[str, dict[str, Any]] = {
    "stock.reserved": {
        "type": "object",
        "required": ["order_id"],
        "properties": {"order_id": _ID},
    },
    "stock.rejected": {
        "type": "object",
        "required": ["order_id", "items"],
        "properties": {
            "order_id": _ID,
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["product_id", "requested", "left"],
                    "properties": {
                        "product_id": _ID,
                        "requested": {"type": "integer"},
                        "left": {"type": "integer"},
                    },
                },
            },
        },
    },
}
