"""The inbox: hands each event that came to its handler, and parks what fails."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import jsonschema_rs
from prometheus_client import Counter

from . import tracing
from .logs import log
from .metrics import REGISTRY
from .parking import Parking

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
        subject = event["subject"]  # of all that is read here, nothing may be missing afterwards
        self._views[kind].validate(event["data"])
        self.handlers[kind](event)
        self.on_handled()
        HANDLED.labels(kind).inc()
        log.info(
            "event.handled",
            event_type=kind,
            event_id=event["id"],
            subject=subject,
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
