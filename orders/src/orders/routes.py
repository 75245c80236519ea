"""HTTP in and out: each view calls one use case, one table turns errors into statuses."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app
from pymongo.errors import ConnectionFailure

from . import errors, use_cases
from .catalogue import Catalogue
from .chassis.auth import caller
from .chassis.contract import Blueprint
from .chassis.cursors import InvalidCursor
from .chassis.problems import problem
from .models import Order
from .schemas import (
    IdempotencyKeySchema,
    OrderInSchema,
    OrderPageSchema,
    OrderQuerySchema,
    OrderSchema,
)
from .settings import Settings

STATUSES: dict[type[Exception], int] = {
    errors.OrderNotFound: 404,
    errors.OrderAlreadyClosed: 409,
    errors.IdempotencyKeyReused: 422,
    errors.InvalidItems: 422,
    InvalidCursor: 422,
    errors.CatalogueUnavailable: 503,
    ConnectionFailure: 503,
}

orders = Blueprint("orders", __name__, url_prefix="/orders", description="Buying things")

_LINE = {"schema": {"type": "string", "maxLength": 100}}
_ETAG = {"ETag": {**_LINE, "description": "The version, in quotes"}}
_LOCATION = {"Location": {**_LINE, "description": "Where the order is"}}


@orders.route("", methods=["POST"], errors=[428])
@orders.arguments(OrderInSchema)
@orders.arguments(IdempotencyKeySchema, location="headers")
@orders.response(201, OrderSchema, headers=_LOCATION | _ETAG)
def place_order(body: dict[str, Any], headers: dict[str, str]) -> Any:
    """Place an order

    The order is `pending` until its stock is reserved; then it is `confirmed`, or `rejected`.
    The same Idempotency-Key with the same body answers with the order it made, as it now is.
    """
    key = headers.get("idempotency_key")
    if key is None:
        return problem(428, "Send an Idempotency-Key header, so that no order is placed twice.")
    settings: Settings = current_app.extensions["settings"]
    catalogue: Catalogue = current_app.extensions["catalogue"]
    order = use_cases.place_order(caller().id, key, body["items"], catalogue, settings.saga_timeout)
    return order, {"Location": f"/orders/{order.id}", "ETag": _etag(order)}


@orders.route("", methods=["GET"], errors=[403])
@orders.arguments(OrderQuerySchema, location="query")
@orders.response(200, OrderPageSchema)
def list_orders(query: dict[str, Any]) -> use_cases.Page | Response:
    """List orders, newest first

    Customers see their own; admins see all, or those of `customer_id`.
    """
    who = caller()
    customer_id = query.get("customer_id")
    if not who.is_admin:
        if customer_id not in (None, who.id):
            return problem(403, "Only admins see orders of others.")
        customer_id = who.id
    return use_cases.list_orders(
        customer_id, query.get("status"), query["limit"], query.get("cursor")
    )


@orders.route("/<order_id>", methods=["GET"], errors=[404])
@orders.response(200, OrderSchema, headers=_ETAG)
def get_order(order_id: str) -> Any:
    """Show an order"""
    order = use_cases.get_order(order_id, _whose())
    return order, {"ETag": _etag(order)}


@orders.route("/<order_id>/cancel", methods=["POST"], errors=[404, 409])
@orders.response(200, OrderSchema, headers=_ETAG)
def cancel_order(order_id: str) -> Any:
    """Cancel an order; its stock is given back"""
    order = use_cases.cancel_order(order_id, _whose())
    return order, {"ETag": _etag(order)}


def _whose() -> str | None:
    """Whose orders the caller may touch: their own, or everybody's (None)."""
    who = caller()
    return None if who.is_admin else who.id


def _etag(order: Order) -> str:
    return f'"{order.version}"'
