"""The door: while more is asked of a service than it answers, the rest is turned away at once.

Whoever is let in waits for those who are in already. So few are let in at once that nobody waits
long, however many come.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import Counter

from .chassis.metrics import REGISTRY

REFUSED = Counter(
    "shop_turned_away_total",
    "Requests turned away at the door, because too many for this service were under way",
    ["upstream"],
    registry=REGISTRY,
)


class TurnedAway(Exception):
    """Too many requests for a service are under way."""


class Door:
    """Lets in `most` requests at once for each of the services."""

    def __init__(self, services: Iterable[str], most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._inside = dict.fromkeys(services, 0)
        for service in self._inside:
            REFUSED.labels(service)

    @contextmanager
    def place(self, service: str) -> Iterator[None]:
        """A place for one request, until its answer is here; raises TurnedAway."""
        with self._lock:
            if self._inside[service] >= self._most:
                REFUSED.labels(service).inc()
                raise TurnedAway("More is asked just now than can be answered; try again shortly.")
            self._inside[service] += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside[service] -= 1
