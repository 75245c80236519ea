"""Events in and out: the second process of orders."""

from __future__ import annotations

from typing import Any

from . import events, use_cases
from .chassis import database, logs, process, session_news
from .chassis.inbox import Handler, Inbox
from .chassis.relay import Relay
from .models import Order
from .settings import Settings


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


def make_inbox(settings: Settings) -> Inbox:
    """The inbox of orders, with a handler for all it hears."""
    return Inbox(events.SERVICE, HANDLERS, events.HEARS, settings.retry_delays)


def work(settings: Settings) -> None:
    """Publish, handle and look after pending orders, until told to stop."""
    logs.configure(events.SERVICE, settings.log_level)
    database.connect(settings.mongo_url)
    process.run(
        relay=Relay(settings.broker_url, events.SERVICE, [Order], events.MUST_BE_HEARD),
        cache_url=settings.cache_url,
        inbox=make_inbox(settings),
        tasks=[
            process.Task(lambda: use_cases.look_after_pending(settings.saga_timeout), 1.0),
            process.Task(session_news.forget_old, session_news.FORGET_SECONDS),
        ],
    )
