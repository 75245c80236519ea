"""Puts so many products into the database of MONGO_URL, as products itself would write them.

Run in the environment of products. They are inserted by the hundred, before there are indexes,
which is quicker, and tell no event.
"""

import os
import random
import sys
import uuid
from collections.abc import Iterator
from itertools import islice

from mongoengine.connection import get_db
from products.chassis.database import connect
from products.models import Price, Product, words_of

AT_ONCE = 500


def documents(count: int) -> Iterator[dict]:
    chance = random.Random(1)
    for n in range(count):
        product = Product(
            id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            sku=f"SKU-{n}",
            name=f"Mug {n}",
            category=f"category {n % 20}",
            price=Price(amount=chance.randrange(100, 100_000), currency="EUR"),
            stock=100,
        )
        product.words = words_of(product)
        product.validate()
        yield product.to_mongo().to_dict()


if __name__ == "__main__":
    connect(os.environ["MONGO_URL"])
    left = documents(int(sys.argv[1]))
    while some := list(islice(left, AT_ONCE)):
        get_db()[Product._meta["collection"]].insert_many(some)
    Product.ensure_indexes()
