"""Rows about what grows: memory under load, and the time of a query with the catalogue."""

from __future__ import annotations

import copy
import http.client
import random
import statistics
import time
import uuid

import load
import processes
import pymongo
import stack
from ours import Ours
from outcome import Outcome
from rounds import Options, counted
from writes import mixed_paths

SIZES = (1_000, 10_000)
QUERIES = 20
BATCH = 100  # documents at once; more hold up the service's own writes


def memory(ours: Ours, options: Options) -> Outcome:
    """memory of all processes of the shop after an hour's worth of load"""
    outcome, pids = Outcome(), ours.all_pids()
    target = ours.target(*mixed_paths(ours.shop.products, ours.orders), order_every=20)

    def used(who: str) -> float:
        return outcome.add(who, "MB", [processes.resident_bytes(pids) / 1e6])

    used("at the start")
    counted("warm-up", load.run(target, 10))
    ours.wait_settled()
    before, asked = used("before, after a warm-up of 10 s"), 0
    while asked < options.requests:
        asked += counted("the hour", load.run(target, 10)).requests
    ours.wait_settled()
    after = used(f"after {asked:,} requests more")
    outcome.at_most("after to before", 1.1, after / before)
    outcome.how = "one run"
    outcome.note = (
        f"{options.requests:,} requests are an hour of {options.requests / 3600:.0f} a second, one "
        "in twenty an order, sent as fast as they go. What several processes share counts for each."
    )
    return outcome


def catalogue(ours: Ours, options: Options) -> Outcome:
    """a page of 20 of all products by price, asked of products itself and not cached"""
    outcome = Outcome()
    url = stack.service_environment(ours.shop.run, "products")["MONGO_URL"]
    with pymongo.MongoClient(url) as client:
        products = client.get_default_database().products
        model, added, low = products.find_one({"outbox": {"$exists": False}}), [], 0
        model = model or products.find_one()
        for size in SIZES:
            missing = size - products.count_documents({})
            new = [_like(model) for _ in range(missing)]
            for at in range(0, missing, BATCH):
                products.insert_many(new[at : at + BATCH])
            added += [product["_id"] for product in new]
            times = _ask(ours.port("products"), low)
            low += QUERIES
            outcome.add(f"{size:,} products", "ms", [each * 1000 for each in times])
            outcome.report(f"{size:,} products, median", f"{statistics.median(times) * 1e3:.0f} ms")
        for at in range(0, len(added), BATCH):
            products.delete_many({"_id": {"$in": added[at : at + BATCH]}})
    outcome.how = f"{QUERIES} queries of each"
    outcome.note = (
        "The embedded database sorts every match, so this grows with the catalogue; MongoDB reads "
        "the page from an index, which a test holds for each shape of query."
    )
    return outcome


def _like(model: dict) -> dict:
    new = copy.deepcopy(model) | {"_id": str(uuid.uuid4()), "sku": f"SKU-{uuid.uuid4()}"}
    new.pop("outbox", None)
    new["price"] = {**new["price"], "amount": random.randint(1_000, 100_000)}
    return new


def _ask(port: int, low: int) -> list[float]:
    """Seconds of each query; no two are the same, so that none is cached."""
    connection, times = http.client.HTTPConnection("127.0.0.1", port, timeout=60), []
    for n in range(low, low + QUERIES):
        started = time.perf_counter()
        connection.request("GET", f"/products?sort=price&limit=20&min_price={n}")
        answer = connection.getresponse()
        answer.read()
        times.append(time.perf_counter() - started)
        if answer.status != 200:
            raise SystemExit(f"products refused a query: {answer.status}")
    return times
