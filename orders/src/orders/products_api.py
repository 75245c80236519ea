"""ProductPage, as contracts/products.openapi.json says it. Made by `make contracts`."""

from __future__ import annotations

from typing import TypedDict


class Price(TypedDict):
    amount: int
    currency: str


class Product(TypedDict):
    category: str
    created_at: str
    description: str
    id: str
    name: str
    price: Price
    sku: str
    stock: int
    updated_at: str
    version: int


class ProductPage(TypedDict):
    items: list[Product]
    next_cursor: str | None
