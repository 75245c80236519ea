"""Events in and out: the second process of products."""

from __future__ import annotations

from typing import Any

from . import events, stock
from .cache import Cache
from .chassis import database, logs, process, session_news, tracing
from .chassis.inbox import Event, Handler, Inbox
from .chassis.relay import Relay
from .models import Product
from .reservations import Reservation
from .settings import Settings

SWEEP_SECONDS = 5.0


def on_order_placed(event: dict[str, Any]) -> None:
    stock.reserve_stock(event["data"]["order_id"], event["data"]["items"])


def on_order_confirmed(event: dict[str, Any]) -> None:
    stock.sell_stock(event["data"]["order_id"])


def on_order_off(event: dict[str, Any]) -> None:
    stock.release_stock(event["data"]["order_id"])


OF_ORDERS: dict[str, Handler] = {
    "order.placed": on_order_placed,
    "order.confirmed": on_order_confirmed,
    "order.cancelled": on_order_off,
    "order.rejected": on_order_off,
}
HANDLERS: dict[str, Handler] = {**OF_ORDERS, **session_news.HANDLERS}


def make_inbox(settings: Settings, cache: Cache) -> Inbox:
    """The inbox of products, with a handler for all it hears.

    What is about orders moves stock, so reads change.
    """

    def forgetting(handle: Handler) -> Handler:
        def handled(event: Event) -> None:
            try:
                handle(event)
            finally:
                cache.forget()

        return handled

    handlers = HANDLERS | {kind: forgetting(handle) for kind, handle in OF_ORDERS.items()}
    return Inbox(events.SERVICE, handlers, events.HEARS, settings.retry_delays)


def work(settings: Settings) -> None:
    """Publish, handle and tidy up, until told to stop."""
    logs.configure(events.SERVICE, settings.log_level)
    tracing.export(events.SERVICE, settings.otel_exporter_otlp_endpoint)
    database.connect(settings.mongo_url)
    cache = Cache(settings.cache_url, f"{events.SERVICE}:")
    documents = [Reservation, Product]
    process.run(
        relay=Relay(
            settings.broker_url,
            events.SERVICE,
            documents,
            events.MUST_BE_HEARD,
            # once more for each change: the process that made it may not have reached Redis
            on_sent=lambda _: cache.forget(),
        ),
        cache_url=settings.cache_url,
        metrics_bind=settings.metrics_bind,
        inbox=make_inbox(settings, cache),
        tasks=[
            process.Task(lambda: stock.sweep(moved=cache.forget), SWEEP_SECONDS),
            process.Task(cache.repay, 1.0),
            process.Task(session_news.forget_old, session_news.FORGET_SECONDS),
        ],
    )
