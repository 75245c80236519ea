"""The relay: publishes what is due in the outboxes, and takes it out when the broker has it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from kombu import Connection, Producer
from prometheus_client import Counter
from pymongo import UpdateOne
from pymongo.collection import Collection

from . import broker, tracing
from .logs import log
from .metrics import REGISTRY
from .outbox import OutboxDocument, now

POLL_SECONDS = 0.5
PAGE = 100  # documents of a kind, whose outboxes are emptied at once
TRIAL = 1  # as many after a failure: what cannot be taken out is published again at each try
UNHEARD_SECONDS = 5.0  # how long an event that no queue takes waits before it is tried again
MEDIA_TYPE = "application/cloudevents+json"

PUBLISHED = Counter(
    "shop_events_published_total",
    "Events published; a repeat counts again",
    ["type"],
    registry=REGISTRY,
)
FAILURES = Counter(
    "shop_event_publish_failures_total",
    "Publishing broken off by the broker or the database (interrupted), or heard by no queue",
    ["reason"],
    registry=REGISTRY,
)

OnSent = Callable[[dict[str, Any]], None]


class Unheard(Exception):
    """No queue is bound to an event that somebody must hear."""


class Relay:
    """Publishes the outboxes of some kinds of document.

    `must_be_heard` are the event types that wait while no queue is bound to them; the others are
    told to whoever is there. `on_sent` is called with each event that left.
    """

    def __init__(
        self,
        url: str,
        service: str,
        documents: Sequence[type[OutboxDocument]],
        must_be_heard: frozenset[str],
        on_sent: OnSent | None = None,
    ) -> None:
        self.url, self.service, self.documents = url, service, documents
        self.must_be_heard = must_be_heard
        self.on_sent = on_sent
        self.woken = threading.Event()
        self.connected = False
        for reason in ("interrupted", "unheard"):
            FAILURES.labels(reason)

    def run(self, stop: threading.Event) -> None:
        """Publish until `stop`, whatever the broker and the database do."""
        pause = 0.2
        while not stop.is_set():
            try:
                with broker.connect(self.url, self.service) as connection:
                    connection.ensure_connection(max_retries=1)
                    self._publish_until(stop, connection)
            except Exception as error:  # the edge: nothing may end the relay but `stop`
                pause = 0.2 if self.connected else min(pause * 2, 5.0)
                self.connected = False
                FAILURES.labels("interrupted").inc()
                reason = str(broker.difference(error) or repr(error))
                log.warning("relay.interrupted", error=reason, retry_in_s=pause)
                stop.wait(pause)

    def _publish_until(self, stop: threading.Event, connection: Connection) -> None:
        returned: list[Any] = []
        producer = Producer(connection)
        if broker.is_rabbitmq(self.url):  # a Redis returns nothing
            producer.channel.events["basic_return"].add(lambda *args: returned.append(args))
        while not stop.is_set():
            self.woken.clear()
            page = PAGE if self.connected else TRIAL
            sent = self.publish_due(producer, returned, page)
            broker.keep_alive(self.url, connection)
            self.connected = True  # and not before: a broker may take calls but no events
            if sent < page:  # else there may be more
                self.woken.wait(POLL_SECONDS)

    def publish_due(self, producer: Producer, returned: list[Any], page: int = PAGE) -> int:
        """Publish what is due now, of each kind a page; the number of events that left."""
        collections = [document._get_collection() for document in self.documents]
        return sum(self._publish_page(each, producer, returned, page) for each in collections)

    def _publish_page(
        self, collection: Collection, producer: Producer, returned: list[Any], page: int
    ) -> int:
        sent, done, due = 0, [], {"outbox.due": {"$lte": now()}}
        try:
            for found in collection.find(due, {"outbox": 1}).limit(page):
                for waiting in found["outbox"]:
                    if waiting["due"] <= now():
                        with tracing.span("publish", waiting["event"]):
                            left = self._send(producer, returned, waiting)
                        done.append(self._afterwards(found["_id"], waiting, left))
                        sent += left
        finally:
            if done:  # one write for all of them
                collection.bulk_write(done, ordered=False)
        return sent

    def _send(self, producer: Producer, returned: list[Any], waiting: dict[str, Any]) -> bool:
        """Whether it left: it did not, if nobody hears it who must."""
        event, began = waiting["event"], time.perf_counter()
        try:
            self._publish(producer, returned, event)
        except Unheard:
            FAILURES.labels("unheard").inc()
            log.warning("event.unheard", event_type=event["type"], event_id=event["id"])
            return False
        PUBLISHED.labels(event["type"]).inc()
        log.info(
            "event.published",
            event_type=event["type"],
            event_id=event["id"],
            subject=event["subject"],
            duration_ms=round((time.perf_counter() - began) * 1000, 1),
        )
        if self.on_sent:
            self.on_sent(event)
        return True

    def _afterwards(self, pk: str, waiting: dict[str, Any], left: bool) -> UpdateOne:
        """What becomes of an entry of an outbox: it is taken out, or is due again later."""
        here = {"_id": pk, "outbox.id": waiting["id"]}
        if not left:
            later = now() + timedelta(seconds=UNHEARD_SECONDS)
            return UpdateOne(here, {"$set": {"outbox.$.due": later}})
        if broker.is_rabbitmq(self.url) or waiting.get("sent"):
            return UpdateOne({"_id": pk}, {"$pull": {"outbox": {"id": waiting["id"]}}})
        later = now() + timedelta(seconds=broker.RESEND_SECONDS)
        return UpdateOne(here, {"$set": {"outbox.$.due": later, "outbox.$.sent": True}})

    def _publish(self, producer: Producer, returned: list[Any], event: dict[str, Any]) -> None:
        """Raises what the broker raised (a nack, a lost connection), or Unheard."""
        returned.clear()
        producer.publish(
            json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode(),
            exchange=broker.EXCHANGE,
            declare=[broker.EXCHANGE],  # there may be no listener yet that did it
            routing_key=event["type"],
            message_id=event["id"],
            headers={tracing.HEADER: tracing.current()},
            content_type=MEDIA_TYPE,  # given, so that Kombu leaves the bytes alone
            content_encoding="utf-8",
            delivery_mode=2,
            mandatory=event["type"] in self.must_be_heard,
            timeout=10,
        )
        if returned:  # RabbitMQ confirms even what it could not route
            raise Unheard(event["type"])
