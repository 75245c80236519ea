"""What people read: for each event a title, and a text made of its data."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

Data = dict[str, Any]

# ISO 4217: how many digits of an amount stand behind the point, where it is not two
_DECIMALS = dict.fromkeys(
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0
)
_DECIMALS |= dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3)
_DECIMALS |= dict.fromkeys("CLF UYW".split(), 4)

_REASONS = {
    "out_of_stock": "There was not enough in stock.",
    "timeout": "The stock could not be checked in time. Please order again.",
}


def message(kind: str, data: Data) -> tuple[str, str]:
    """Title and text for an event of type `kind`."""
    title, text = MESSAGES[kind]
    return title, text(data)


def _placed(data: Data) -> str:
    return f"We received order {_short_id(data)} for {_money(data['total'])}."


def _confirmed(data: Data) -> str:
    return f"Order {_short_id(data)} is confirmed: everything is reserved for you."


def _rejected(data: Data) -> str:
    reason = data["reason"]
    why = " ".join(map(_shortage, data.get("items", ()))) or _REASONS.get(reason, f"{reason}.")
    return f"We could not accept order {_short_id(data)}. {why}"


def _cancelled(data: Data) -> str:
    return f"Order {_short_id(data)} is cancelled."


MESSAGES: dict[str, tuple[str, Callable[[Data], str]]] = {
    "order.placed": ("Order placed", _placed),
    "order.confirmed": ("Order confirmed", _confirmed),
    "order.rejected": ("Order rejected", _rejected),
    "order.cancelled": ("Order cancelled", _cancelled),
}


def _short_id(data: Data) -> str:
    """The first letters of an order's id: people compare them, nobody looks orders up by them."""
    return data["order_id"][:8]


def _shortage(item: Data) -> str:
    name = item.get("name") or f"Product {item['product_id']}"
    return f"{name}: {item['requested']} wanted, {item['left']} left."


def _money(money: Data) -> str:
    """1999 EUR is "19.99 EUR"."""
    amount = Decimal(money["amount"]).scaleb(-_DECIMALS.get(money["currency"], 2))
    return f"{amount:f} {money['currency']}"
