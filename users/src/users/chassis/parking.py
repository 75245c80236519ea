"""Parking: events that failed wait in the service's own database to be tried again.

So retries and dead events work alike on every broker, and one that fails blocks nobody behind it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import mongoengine as me

from .database import Document
from .logs import log
from .outbox import now

# How long one worker has for a parked event before it is taken for dead and another tries. Should
# it only have been slow, the event is handled twice, which every handler bears.
LEASE_SECONDS = 10


class ParkedEvent(Document):
    """An event that failed: tried again at `next_at`, until it is dead."""

    id = me.StringField(primary_key=True)
    type = me.StringField(required=True)
    event = me.StringField()  # the JSON as it came: it may hold what no database takes
    attempts = me.IntField(default=0)
    error = me.StringField()
    parked_at = me.DateTimeField(default=now)
    next_at = me.DateTimeField()
    dead = me.BooleanField(default=False)
    meta = {"collection": "parked_events", "indexes": [("dead", "next_at")]}


class Parking:
    """Keeps failed events; `retry_delays` are the seconds from each try to the next."""

    def __init__(self, retry_delays: Sequence[float]) -> None:
        self.retry_delays = retry_delays

    def park(self, event: dict[str, Any], text: str, error: Exception) -> bool:
        """Keep an event that failed for the first time, as its JSON `text`; whether it is dead.

        A repeat changes only the error.
        """
        dead = not self.retry_delays
        ParkedEvent.objects(pk=event["id"]).update_one(
            upsert=True,
            set_on_insert__type=str(event.get("type")),
            set_on_insert__event=text,
            set_on_insert__attempts=1,
            set_on_insert__parked_at=now(),
            set_on_insert__next_at=self._next(1),
            set_on_insert__dead=dead,
            set__error=repr(error)[:1000],
        )
        log.warning("event.parked", event_type=str(event.get("type")), event_id=event["id"],
                    attempts=1, error=repr(error)[:300])  # fmt: skip
        return dead

    def claim(self) -> ParkedEvent | None:
        """One event whose time has come, for this worker alone while the lease lasts."""
        lease = now() + timedelta(seconds=LEASE_SECONDS)
        due = ParkedEvent.objects(dead=False, next_at__lte=now())
        return due.modify(set__next_at=lease, inc__attempts=1, new=True)

    def put_off(self, parked: ParkedEvent, error: Exception) -> bool:
        """Wait for the next try, or declare it dead when that was the last; whether it is dead."""
        dead = parked.attempts > len(self.retry_delays)
        ParkedEvent.objects(pk=parked.id).update_one(
            set__error=repr(error)[:1000],
            set__dead=dead,
            set__next_at=self._next(parked.attempts),
        )
        log.warning("event.dead" if dead else "event.parked", event_type=parked.type,
                    event_id=parked.id, attempts=parked.attempts,
                    error=repr(error)[:300])  # fmt: skip
        return dead

    def _next(self, attempts: int) -> Any:
        delays = self.retry_delays or (0.0,)
        delay = delays[min(attempts, len(delays)) - 1]
        return now() + timedelta(seconds=delay * random.uniform(0.8, 1.2))  # noqa: S311 — jitter


def redrive(event_id: str | None = None) -> int:
    """Let one parked or dead event, or all of them, be tried again now; how many there were."""
    chosen = ParkedEvent.objects(pk=event_id) if event_id else ParkedEvent.objects
    return chosen.update(set__dead=False, set__attempts=0, set__next_at=now())
