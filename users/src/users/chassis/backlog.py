"""The backlog, measured for Prometheus: events still to be told, and events that failed."""

from __future__ import annotations

import math
from collections.abc import Iterable

from prometheus_client import Gauge

from .metrics import REGISTRY
from .outbox import OutboxDocument, now
from .parking import ParkedEvent

SECONDS = 10.0  # between measurings; who asks for /metrics never waits for the database

UNTOLD = Gauge("shop_outbox_events", "Events in the outboxes, not yet told", registry=REGISTRY)
AGE = Gauge(
    "shop_outbox_oldest_seconds", "How long the oldest of them has waited", registry=REGISTRY
)
for _gauge in (UNTOLD, AGE):
    _gauge.set(math.nan)  # until it is measured
FAILED = Gauge(
    "shop_failed_events",
    "Events that failed and wait: for their next try (parked), or for a person (dead)",
    ["state"],
    registry=REGISTRY,
)


_UNTOLD = [
    {"$match": {"outbox.due": {"$exists": True}}},  # by its index
    {"$unwind": "$outbox"},
    {"$match": {"outbox.sent": {"$ne": True}}},
    {"$group": {"_id": None, "events": {"$sum": 1}, "since": {"$min": "$outbox.since"}}},
]


def measure(documents: Iterable[type[OutboxDocument]]) -> None:
    """Set the gauges; to NaN, and not to what they were, while the database does not answer."""
    untold = age = parked = dead = math.nan
    try:
        collections = [document._get_collection() for document in documents]
        found = [group for each in collections for group in each.aggregate(_UNTOLD)]
        untold = sum(group["events"] for group in found)
        age = max(((now() - group["since"]).total_seconds() for group in found), default=0)
        parked = ParkedEvent.objects(dead=False).count()
        dead = ParkedEvent.objects(dead=True).count()
    finally:
        UNTOLD.set(untold)
        AGE.set(age)
        FAILED.labels("parked").set(parked)
        FAILED.labels("dead").set(dead)
