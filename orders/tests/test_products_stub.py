"""The stub holds orders to products' contract: a change there that hurts turns tests red here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import responses

from conftest import PRODUCTS, Products
from orders.catalogue import Catalogue, CatalogueItem
from orders.errors import CatalogueUnavailable
from products_stub import ProductsStub

Contract = dict[str, Any]


@contextmanager
def products(edit: Callable[[Contract], object]) -> Iterator[Products]:
    """Products, by a contract that was changed."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        played = Products(mock)
        edit(played.contract)
        yield played


def listing(contract: Contract) -> Contract:
    return contract["paths"]["/products"]["get"]


def parameter(contract: Contract, name: str) -> Contract:
    return next(each for each in listing(contract)["parameters"] if each["name"] == name)


def rename(contract: Contract, schema: str, old: str, new: str) -> None:
    """A field of a schema, and of the examples, as the change of a schema in products does."""
    says = contract["components"]["schemas"][schema]
    says["properties"][new] = says["properties"].pop(old)
    says["required"] = [new if name == old else name for name in says["required"]]
    media = listing(contract)["responses"]["200"]["content"]["application/json"]
    text = json.dumps(media["example"]).replace(f'"{old}":', f'"{new}":')
    media["example"] = json.loads(text)


def need(contract: Contract, place: str, name: str) -> None:
    schema = {"type": "string"}
    wanted = {"in": place, "name": name, "required": True, "schema": schema}
    listing(contract)["parameters"].append(wanted)


def test_what_orders_asks_and_reads_is_in_the_contract():
    with products(lambda contract: None) as played:
        mug = played.sell(1250)
        assert Catalogue(PRODUCTS).find([mug, "gone"]) == {mug: CatalogueItem("Mug", 1250, "EUR")}


@pytest.mark.parametrize(
    "edit",
    [
        lambda contract: rename(contract, "Product", "name", "title"),
        lambda contract: rename(contract, "Product", "id", "product_id"),
        lambda contract: rename(contract, "Product", "price", "costs"),
        lambda contract: rename(contract, "Price", "amount", "cents"),
        lambda contract: rename(contract, "ProductPage", "items", "products"),
        lambda contract: contract["paths"].update({"/products": {}}),
        lambda contract: parameter(contract, "id").update(name="ids"),
        lambda contract: parameter(contract, "id").update(schema={"type": "string"}),
        lambda contract: parameter(contract, "limit")["schema"].update(maximum=1),
        lambda contract: need(contract, "query", "currency"),
        lambda contract: need(contract, "header", "X-Shop"),
        lambda contract: listing(contract).update(security=[{"bearer": []}]),
    ],
)
def test_a_contract_that_no_longer_holds_what_orders_relies_on_is_noticed(edit):
    with products(edit) as played:
        ids = [played.sell(), played.sell()]
        with pytest.raises((AssertionError, CatalogueUnavailable)):
            Catalogue(PRODUCTS).find(ids)


@pytest.mark.parametrize(
    "url",
    [
        "/product",
        "/products?ids=1",
        "/products?limit=many",
        "/products?limit=1&limit=2",
        "/products?limit=0",
        "/products?in_stock=perhaps",
        "/products?id=",
    ],
)
def test_refuses_a_question_that_the_contract_does_not_allow(url):
    with pytest.raises(AssertionError):
        ProductsStub().take("GET", url, {})


def test_refuses_a_header_that_the_contract_does_not_allow():
    stub = ProductsStub()
    assert stub.take("GET", "/products?in_stock=true", {"If-None-Match": '"x"'})
    with pytest.raises(AssertionError):
        stub.take("GET", "/products", {"If-None-Match": "x" * 9000})


@pytest.mark.parametrize("item", [{"name": 1}, {"price": {"amount": 1}}, {"colour": "red"}])
def test_sells_nothing_that_the_contract_does_not_describe(item):
    with pytest.raises(AssertionError):
        ProductsStub().page([item])
