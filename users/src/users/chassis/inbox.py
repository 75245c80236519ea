"""The inbox: takes events from the broker, hands each to its handler, and parks what fails."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import jsonschema_rs
from kombu import Connection, Message
from kombu.mixins import ConsumerMixin
from prometheus_client import Counter

from . import broker, tracing
from .logs import log
from .metrics import REGISTRY
from .parking import Parking

PREFETCH = 20
RETRY_SECONDS = 1
PERSON_SECONDS = 10  # until it is looked again whether a person has removed what is in the way
MAX_BYTES = 1_000_000  # more is no event, and would not fit into the database to be parked

Event = dict[str, Any]
Handler = Callable[[Event], None]

HANDLED = Counter("shop_events_handled_total", "Events handled", ["type"], registry=REGISTRY)
PARKED = Counter(
    "shop_events_parked_total",
    "Times that an event failed and waits to be tried again",
    ["type"],
    registry=REGISTRY,
)
DEAD = Counter(
    "shop_events_dead_total",
    "Events that failed for the last time and wait for a person",
    ["type"],
    registry=REGISTRY,
)


class Inbox:
    """Handles events, at least once each; handlers must bear repeats.

    `handlers` are {event type: handler}, `views` {event type: JSON Schema of the data as this
    service reads it}, `retry_delays` the seconds between tries.
    """

    def __init__(
        self,
        service: str,
        handlers: Mapping[str, Handler],
        views: Mapping[str, Mapping],
        retry_delays: Sequence[float],
    ) -> None:
        self.service, self.handlers = service, handlers
        self.parking = Parking(retry_delays)
        self.on_handled: Callable[[], None] = lambda: None
        self._views = {kind: jsonschema_rs.validator_for(view) for kind, view in views.items()}
        for kind in handlers:  # from 0 on: what appears with its first count has never risen
            for counter in (HANDLED, PARKED, DEAD):
                counter.labels(kind)

    def take(self, body: bytes, traceparent: str | None = None) -> None:
        """Handle one message, or park it. Raises only if the database cannot be reached.

        `traceparent` is the message's, which names its publishing; the event's names its making.
        """
        event, text = _read(body)
        with ExitStack() as within:  # a span that lasts until a failure is kept as well
            try:
                within.enter_context(tracing.span("handle", event, traceparent))
                self.handle(event)
            except Exception as error:  # the edge: whatever a handler raises is kept with the event
                tracing.spans.failed(error)
                self._count_failed(str(event.get("type")), self.parking.park(event, text, error))

    def handle(self, event: Event) -> None:
        """Validate and handle one event; raises what goes wrong."""
        kind = event.get("type")
        if kind not in self.handlers:
            raise LookupError(f"{self.service} does not hear {kind!r}")
        began = time.perf_counter()
        self._views[kind].validate(event["data"])
        self.handlers[kind](event)
        self.on_handled()
        HANDLED.labels(kind).inc()
        log.info(
            "event.handled",
            event_type=kind,
            event_id=event["id"],
            subject=event["subject"],
            duration_ms=round((time.perf_counter() - began) * 1000, 1),
        )

    def retry_due(self) -> int:
        """Handle the parked events whose time has come; how many were tried."""
        tried = 0
        while parked := self.parking.claim():
            tried += 1
            with ExitStack() as within:
                try:
                    event = json.loads(parked.event)
                    within.enter_context(tracing.span("handle", event))
                    self.handle(event)
                except Exception as error:  # the edge, as above
                    tracing.spans.failed(error)
                    self._count_failed(parked.type, self.parking.put_off(parked, error))
                else:
                    parked.delete()
        return tried

    def _count_failed(self, kind: str, dead: bool) -> None:
        counter = DEAD if dead else PARKED
        counter.labels(kind if kind in self.handlers else "unknown").inc()


class Consumer(ConsumerMixin):
    """Feeds the inbox from the broker, and stays connected."""

    def __init__(self, url: str, inbox: Inbox, stop: threading.Event) -> None:
        self.url, self.inbox, self.stop = url, inbox, stop
        self.connection = broker.connect(url, inbox.service)
        self.connected = False
        self.problem = ""  # what keeps it from the broker, where only a person can help

    @property
    def should_stop(self) -> bool:  # type: ignore[override]
        return self.stop.is_set()

    def run_until_stopped(self) -> None:
        """Consume until `stop`, whatever the broker does."""
        while not self.should_stop:
            pause = RETRY_SECONDS
            try:
                self.run()
            except broker.DeclaredOtherwise as error:
                pause = PERSON_SECONDS
                if self.problem != str(error):  # said once, not at every try
                    self.problem = str(error)
                    log.error("consumer.refused", error=self.problem)
            except Exception as error:  # the edge: nothing may end the consumer but `stop`
                log.warning("consumer.interrupted", error=repr(error))
            self.connected = False
            self.stop.wait(pause)

    def get_consumers(self, consumer_class: Any, channel: Any) -> list[Any]:
        queue = broker.events_queue(self.url, self.inbox.service, self.inbox.handlers)
        try:
            if broker.is_rabbitmq(self.url):
                broker.dead_queue(self.inbox.service)(channel).declare()
            return [consumer_class([queue], on_message=self.on_message, prefetch_count=PREFETCH)]
        except Exception as error:
            # Kombu would try the same again at once, for ever: it takes a 406 for a lost connection
            if differs := broker.difference(error):
                raise differs from error
            raise

    def on_consume_ready(self, *_: Any, **__: Any) -> None:
        self.connected, self.problem = True, ""
        log.info("consumer.ready", queue=f"{self.inbox.service}.events")

    def on_connection_error(self, exc: Exception, interval: float) -> None:
        self.connected = False
        log.warning("consumer.disconnected", error=repr(exc), retry_in_s=interval)

    def establish_connection(self) -> Connection:
        """As Kombu's, but looks again every two seconds at most and not every thirty."""
        connection = self.create_connection()
        return connection.ensure_connection(
            self.on_connection_error, max_retries=1, interval_start=0.2, interval_max=2
        )

    def on_message(self, message: Message) -> None:
        body = message.body
        raw = body.encode() if isinstance(body, str) else bytes(body)
        while not self.should_stop:
            try:
                self.inbox.take(raw, message.headers.get(tracing.HEADER))
            except Exception as error:  # the database is away: keep the message and wait for it
                log.error("inbox.waiting", error=repr(error))
                self.stop.wait(1)
                message.channel.connection.client.heartbeat_check()
            else:
                message.ack()
                return


def _read(body: bytes) -> tuple[Event, str]:
    """The event in a message, and its JSON; what is none becomes one that no handler takes."""
    try:
        if len(body) > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES} bytes")
        text = body.decode()
        event = json.loads(text)
        f"{event['id']}{event.get('type')}".encode()  # fails for half a character
        if isinstance(event["id"], str):
            return event, text
        reason = "its id is no string"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = repr(error)[:300]
    digest = hashlib.sha256(body).hexdigest()
    start = body[:10_000].decode(errors="replace")
    event = {"id": f"unreadable-{digest}", "type": "unreadable", "reason": reason, "body": start}
    return event, json.dumps(event)
