"""What the catalogue does, verb by verb."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mongoengine import NotUniqueError

from .chassis import cursors
from .chassis.logs import log
from .errors import PriceRangeUnsorted, ProductNotFound, SkuTaken, StaleVersion
from .models import Product, words_in

SORTS = {"newest": "-created_at", "price": "price.amount", "-price": "-price.amount"}

Values = Mapping[str, Any]  # of the fields of a product
Versions = Sequence[int] | None  # those that a change is made to; None: any


@dataclass(frozen=True)
class Page:
    """Some rows of a list, and where the next begin (None: there are none)."""

    items: list[Product]
    next_cursor: str | None


def add_product(values: Values) -> Product:
    """A new product. Raises SkuTaken."""
    try:
        product = Product.add(values)
    except NotUniqueError:
        raise SkuTaken from None
    log.info("product.created", product_id=product.id)
    return product


def get_product(product_id: str) -> Product:
    """A product that is for sale. Raises ProductNotFound."""
    # the id before all else: SecantusDB takes the index of the first that has one
    product = Product.objects(__raw__={"_id": product_id, "deleted_at": None}).first()
    if product is None:
        raise ProductNotFound
    return product


def change_product(product_id: str, versions: Versions, values: Values) -> Product:
    """The product with some fields changed. Raises ProductNotFound, StaleVersion, SkuTaken."""
    while True:
        try:
            changed = _at_version(product_id, versions).change(values)
        except NotUniqueError:
            raise SkuTaken from None
        if changed:
            return changed


def remove_product(product_id: str, versions: Versions) -> None:
    """Take a product off the catalogue. Raises ProductNotFound, StaleVersion."""
    while not _at_version(product_id, versions).delete_softly():
        pass  # it has changed since it was read: look again


def list_products(sort: str, limit: int, cursor: str | None = None, **filters: Any) -> Page:
    """Products for sale that match all filters. Raises InvalidCursor, PriceRangeUnsorted."""
    if sort == "newest" and ("min_price" in filters or "max_price" in filters):
        raise PriceRangeUnsorted
    field = SORTS[sort].removeprefix("-")
    wanted = _conditions(filters)
    rows: list[Product] = []
    for part in _parts(sort, field, filters, cursor):
        if len(rows) <= limit:
            found = Product.objects(__raw__=_both(wanted, part)).exclude("moves", "outbox", "words")
            direction = "-" if SORTS[sort].startswith("-") else ""
            rows += found.order_by(SORTS[sort], f"{direction}id").limit(limit + 1 - len(rows))
    after = None
    if len(rows) > limit:
        rows = rows[:limit]
        last = rows[-1]
        key = last.created_at if field == "created_at" else last.price.amount
        after = cursors.write(sort, filters, key, last.id)
    return Page(rows, after)


def _at_version(product_id: str, versions: Versions) -> Product:
    product = get_product(product_id)
    if versions is not None and product.version not in versions:
        raise StaleVersion
    return product


def _conditions(filters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The filters as MongoDB's {field: {operator: value}}."""
    wanted: dict[str, dict[str, Any]] = {}
    if "id" in filters:  # first, as in get_product
        wanted["_id"] = {"$in": filters["id"]}
    wanted["deleted_at"] = {"$eq": None}
    if "category" in filters:
        wanted["category"] = {"$eq": filters["category"]}
    if "in_stock" in filters:
        wanted["stock"] = {"$gt": 0} if filters["in_stock"] else {"$eq": 0}
    if "q" in filters:
        words = words_in(filters["q"]) or [filters["q"]]
        wanted["words"] = {"$all": words} if len(words) > 1 else {"$eq": words[0]}
    prices = {}
    if "min_price" in filters:
        prices["$gte"] = filters["min_price"]
    if "max_price" in filters:
        # not $lte: over an index with more fields behind, SecantusDB leaves out the bound itself
        prices["$lt"] = filters["max_price"] + 1
    if prices:
        wanted["price.amount"] = prices
    return wanted


def _parts(
    sort: str, field: str, filters: Mapping[str, Any], cursor: str | None
) -> Iterator[dict[str, dict[str, Any]]]:
    """What lies behind the cursor: first the rest with its very key, then all beyond.

    Two ranges of an index; the usual `$or` of both is none.
    """
    if cursor is None:
        yield {}
        return
    key, pk = cursors.read(cursor, sort, filters, datetime if field == "created_at" else int)
    beyond = "$lt" if SORTS[sort].startswith("-") else "$gt"
    yield {field: {"$eq": key}, "_id": {beyond: pk}}
    yield {field: {beyond: key}}


def _both(one: Mapping[str, Values], other: Mapping[str, Values]) -> dict[str, Any]:
    both = {key: {**one.get(key, {}), **other.get(key, {})} for key in {**one, **other}}
    # {field: value} says all: a cursor's key lies in the range. And SecantusDB finds an index for
    # it, but none for {field: {"$eq": value}}.
    return {key: test["$eq"] if "$eq" in test else test for key, test in both.items()}
