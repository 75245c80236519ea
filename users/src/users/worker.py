"""Events out: the second process of users."""

from __future__ import annotations

from . import events
from .chassis import database, logs, process, tracing
from .chassis.relay import Relay
from .models import Session, Telling, User
from .settings import Settings

DOCUMENTS = (User, Session, Telling)
HOUR = 3600.0
TELL_SECONDS = 15.0  # others believe old tokens for 45 seconds after what was told last


def make_relay(settings: Settings) -> Relay:
    """What publishes the events of users."""
    return Relay(settings.broker_url, events.SERVICE, DOCUMENTS, events.MUST_BE_HEARD)


def work(settings: Settings) -> None:
    """Publish, tell up to when all is told, and forget old sessions, until told to stop."""
    logs.configure(events.SERVICE, settings.log_level)
    tracing.export(events.SERVICE, settings.otel_exporter_otlp_endpoint)
    database.connect(settings.mongo_url)
    process.run(
        relay=make_relay(settings),
        cache_url=settings.cache_url,
        metrics_bind=settings.metrics_bind,
        tasks=[
            process.Task(Telling.tell, TELL_SECONDS),
            process.Task(Session.forget_expired, HOUR),
        ],
    )
