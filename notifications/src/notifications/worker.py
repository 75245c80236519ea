"""Events in: the second process of notifications."""

from __future__ import annotations

from . import events, use_cases
from .chassis import database, logs, process, session_news, tracing
from .chassis.inbox import Handler, Inbox
from .chassis.relay import Relay
from .settings import Settings

HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(events.OF_ORDERS, use_cases.tell_customer),
    **session_news.HANDLERS,
}


def make_inbox(settings: Settings) -> Inbox:
    """The inbox of notifications, with a handler for all it hears."""
    return Inbox(events.SERVICE, HANDLERS, events.HEARS, settings.retry_delays)


def work(settings: Settings) -> None:
    """Handle events until told to stop."""
    logs.configure(events.SERVICE, settings.log_level)
    tracing.export(events.SERVICE, settings.otel_exporter_otlp_endpoint)
    database.connect(settings.mongo_url)
    process.run(
        relay=Relay(settings.broker_url, events.SERVICE, (), events.MUST_BE_HEARD),
        cache_url=settings.cache_url,
        metrics_bind=settings.metrics_bind,
        inbox=make_inbox(settings),
        tasks=[process.Task(session_news.forget_old, session_news.FORGET_SECONDS)],
    )
