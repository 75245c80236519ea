"""Events in and out: the second process of orders."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from prometheus_client import Gauge

from . import events, use_cases
from .chassis import database, logs, process, session_news, tracing
from .chassis.inbox import Handler, Inbox
from .chassis.metrics import REGISTRY
from .chassis.relay import Relay
from .models import STATUSES, Order
from .settings import Settings

MEASURE_SECONDS = 15.0
ORDERS = Gauge("shop_orders", "Orders by their state", ["status"], registry=REGISTRY)


def on_stock_reserved(event: dict[str, Any]) -> None:
    use_cases.confirm_order(event["data"]["order_id"])


def on_stock_rejected(event: dict[str, Any]) -> None:
    data = event["data"]
    short = {item["product_id"]: (item["requested"], item["left"]) for item in data["items"]}
    use_cases.reject_order(data["order_id"], short)


HANDLERS: dict[str, Handler] = {
    "stock.reserved": on_stock_reserved,
    "stock.rejected": on_stock_rejected,
    **session_news.HANDLERS,
}


def measure_orders(status: str) -> None:
    """Count the orders of one state; NaN while the database does not answer."""
    found = math.nan
    try:
        found = Order.objects(status=status).count()  # by an index
    finally:
        ORDERS.labels(status).set(found)


def make_inbox(settings: Settings) -> Inbox:
    """The inbox of orders, with a handler for all it hears."""
    return Inbox(events.SERVICE, HANDLERS, events.HEARS, settings.retry_delays)


def work(settings: Settings) -> None:
    """Publish, handle and look after pending orders, until told to stop."""
    logs.configure(events.SERVICE, settings.log_level)
    tracing.export(events.SERVICE, settings.otel_exporter_otlp_endpoint)
    database.connect(settings.mongo_url)
    process.run(
        relay=Relay(settings.broker_url, events.SERVICE, [Order], events.MUST_BE_HEARD),
        cache_url=settings.cache_url,
        metrics_bind=settings.metrics_bind,
        # each by itself, so that the few that are pending are soon counted again
        measures=[process.Task(partial(measure_orders, s), MEASURE_SECONDS) for s in STATUSES],
        inbox=make_inbox(settings),
        tasks=[
            process.Task(lambda: use_cases.look_after_pending(settings.saga_timeout), 1.0),
            process.Task(session_news.forget_old, session_news.FORGET_SECONDS),
        ],
    )
