"""The facts that notifications hears: what people are told. It tells none itself."""

from __future__ import annotations

from typing import Any

from .chassis import session_news

SERVICE = "notifications"

_ID = {"type": "string", "minLength": 1}
_MONEY = {
    "type": "object",
    "required": ["amount", "currency"],
    "properties": {
        "amount": {"type": "integer", "description": "In minor units (cents)"},
        "currency": {"type": "string"},
    },
}
_SHORT = {
    "type": "object",
    "required": ["product_id", "requested", "left"],
    "properties": {
        "product_id": _ID,
        "name": {"type": "string"},
        "requested": {"type": "integer"},
        "left": {"type": "integer"},
    },
}


def _data(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["order_id", "customer_id", *(required or [])],
        "properties": {"order_id": _ID, "customer_id": _ID, **properties},
    }


TELLS: dict[str, dict[str, Any]] = {}
HEARD_BY: dict[str, tuple[str, ...]] = {}
MUST_BE_HEARD: frozenset[str] = frozenset()

# What notifications reads of the events it hears; they may hold more. Of these people are told:
OF_ORDERS: dict[str, dict[str, Any]] = {
    "order.placed": _data(["total"], total=_MONEY),
    "order.confirmed": _data(),
    "order.rejected": _data(
        ["reason"], reason={"type": "string"}, items={"type": "array", "items": _SHORT}
    ),
    "order.cancelled": _data(),
}

HEARS: dict[str, dict[str, Any]] = {**OF_ORDERS, **session_news.HEARS}
