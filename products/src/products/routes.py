"""HTTP in and out: each view calls one use case, one table turns errors into statuses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from flask import Response, current_app, request
from pymongo.errors import ConnectionFailure

from . import errors, use_cases
from .cache import Cache
from .chassis.auth import public, requires
from .chassis.contract import Blueprint
from .chassis.cursors import InvalidCursor
from .models import Product
from .schemas import (
    IfMatchSchema,
    IfNoneMatchSchema,
    ProductInSchema,
    ProductPageSchema,
    ProductPatchSchema,
    ProductQuerySchema,
    ProductSchema,
)

STATUSES: dict[type[Exception], int] = {
    errors.ProductNotFound: 404,
    errors.SkuTaken: 409,
    errors.StaleVersion: 412,
    errors.PriceRangeUnsorted: 422,
    InvalidCursor: 422,
    errors.VersionMissing: 428,
    ConnectionFailure: 503,
}

products = Blueprint("products", __name__, url_prefix="/products", description="What is for sale")

_LINE = {"schema": {"type": "string", "maxLength": 100}}
_TAG = {"ETag": {**_LINE, "description": "Changes with the answer"}}
_ETAG = {"ETag": {**_LINE, "description": "The version, in quotes"}}
_LOCATION = {"Location": {**_LINE, "description": "Where the product is"}}
_UNCHANGED = "Nothing has changed since the ETag in If-None-Match"


@products.route("", methods=["GET"], errors=[503])
@public
@products.arguments(ProductQuerySchema, location="query")
@products.arguments(IfNoneMatchSchema, location="headers")
@products.alt_response(304, description=_UNCHANGED)
@products.response(200, ProductPageSchema, headers=_TAG)
def list_products(query: dict[str, Any], _: dict[str, str]) -> Response:
    """List products for sale

    A price range needs `sort=price` or `sort=-price`. Up to 50 `id`s come on one page.
    """
    if "id" in query:
        query["limit"] = max(query["limit"], len(query["id"]))

    def make() -> bytes:
        body = _json(ProductPageSchema().dump(use_cases.list_products(**query)))
        return f'"{hashlib.sha256(body).hexdigest()[:32]}"\n'.encode() + body

    if "id" in query:  # as orders asks for prices: found as soon as a kept answer would be
        return _tagged(make())
    key = hashlib.sha256(json.dumps(query, sort_keys=True).encode()).hexdigest()
    return _tagged(_cache().get(f"list:{key}", make))


@products.route("/<product_id>", methods=["GET"], errors=[404, 503])
@public
@products.arguments(IfNoneMatchSchema, location="headers")
@products.alt_response(304, description=_UNCHANGED)
@products.response(200, ProductSchema, headers=_ETAG)
def get_product(_: dict[str, str], product_id: str) -> Response:
    """Show a product"""

    def make() -> bytes:
        product = use_cases.get_product(product_id)
        return f"{_etag(product)}\n".encode() + _json(ProductSchema().dump(product))

    return _tagged(_cache().get(f"product:{product_id}", make))


@products.route("", methods=["POST"], errors=[409])
@requires("admin")
@products.arguments(ProductInSchema)
@products.response(201, ProductSchema, headers=_LOCATION | _ETAG)
def add_product(body: dict[str, Any]) -> Any:
    """Add a product"""
    product = _changing(lambda: use_cases.add_product(body))
    return product, {"Location": f"/products/{product.id}", "ETag": _etag(product)}


@products.route("/<product_id>", methods=["PUT"], errors=[404, 409, 412, 428])
@requires("admin")
@products.arguments(ProductInSchema)
@products.arguments(IfMatchSchema, location="headers")
@products.response(200, ProductSchema, headers=_ETAG)
def replace_product(body: dict[str, Any], _: dict[str, str], product_id: str) -> Any:
    """Write a product anew; `stock` are the free units"""
    versions = _versions()
    product = _changing(lambda: use_cases.change_product(product_id, versions, body))
    return product, {"ETag": _etag(product)}


@products.route("/<product_id>", methods=["PATCH"], errors=[404, 409, 412, 428])
@requires("admin")
@products.arguments(ProductPatchSchema(partial=True))
@products.arguments(IfMatchSchema, location="headers")
@products.response(200, ProductSchema, headers=_ETAG)
def change_product(body: dict[str, Any], _: dict[str, str], product_id: str) -> Any:
    """Change some fields of a product; `stock` are the free units"""
    versions = _versions()
    product = _changing(lambda: use_cases.change_product(product_id, versions, body))
    return product, {"ETag": _etag(product)}


@products.route("/<product_id>", methods=["DELETE"], errors=[404, 412, 428])
@requires("admin")
@products.arguments(IfMatchSchema, location="headers")
@products.response(204)
def remove_product(_: dict[str, str], product_id: str) -> None:
    """Take a product off the catalogue"""
    versions = _versions()
    _changing(lambda: use_cases.remove_product(product_id, versions))


def _tagged(made: bytes) -> Response:
    """The answer, made as its ETag, a line break, and its body."""
    etag, body = made.split(b"\n", 1)
    response = Response(body, mimetype="application/json")
    response.headers["ETag"] = etag.decode()
    # the gateway may show it for a second; all others ask whether it still holds
    response.headers["Cache-Control"] = "public, max-age=0, s-maxage=1"
    if "If-None-Match" in request.headers or "If-Match" in request.headers:
        response.make_conditional(request)  # else there is nothing to compare, and it takes long
    return response


def _changing(change: Callable[[], Any]) -> Any:
    """Make a change, and let no read that comes after it see what was before."""
    try:
        return change()
    finally:  # also when it failed: a write whose answer was lost may have happened
        _cache().forget()


def _cache() -> Cache:
    return current_app.extensions["cache"]


def _versions() -> list[int] | None:
    """What If-Match allows: some versions, or any (None). Raises VersionMissing."""
    if "If-Match" not in request.headers:
        raise errors.VersionMissing
    if request.if_match.star_tag:
        return None
    strong = filter(None, request.if_match.as_set())  # an empty tag is read as None
    return [int(tag) for tag in strong if tag.isascii() and tag.isdigit() and len(tag) < 19]


def _etag(product: Product) -> str:
    return f'"{product.version}"'


def _json(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
