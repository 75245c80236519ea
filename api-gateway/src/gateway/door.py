"""The door: while more is asked of a service than it answers, the rest is turned away at once.

Whoever is let in waits for those who are in already. So few are let in at once that nobody waits
long, however many come.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from flask import Flask
from prometheus_client import Counter

from .chassis.metrics import REGISTRY
from .refusals import refusal
from .routing import TABLE

MOST_OF_ALL = 28  # of 32 threads some stay free: to turn others away, and for the health

TOLD = {"Cache_Control": "no-store", "Retry_After": "1"}
SERVICES = {row.path.split("/")[1]: row.service for row in TABLE}

REFUSED = Counter(
    "shop_turned_away_total",
    "Requests turned away at the door, because too many for this service were under way",
    ["upstream"],
    registry=REGISTRY,
)


class Door:
    """Around the app: lets in `most` requests at once for each service.

    What is for no service, such as the gateway's own health, passes freely.
    """

    def __init__(self, app: Flask, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._inside = dict.fromkeys(SERVICES.values(), 0)
        for service in self._inside:
            REFUSED.labels(service)
        self._app = app.wsgi_app
        app.wsgi_app = self  # type: ignore[method-assign]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        service = SERVICES.get(path.lstrip("/").partition("/")[0])
        if service is None:
            return self._app(environ, start_response)
        if not self._enter(service):
            REFUSED.labels(service).inc()
            # Not by Flask, and counted but not logged: that costs a part of it.
            detail = "More is asked just now than can be answered; try again shortly."
            refused = refusal(503, "Service Unavailable", detail, path, **TOLD)
            start_response("503 Service Unavailable", refused.headers)
            return [refused.body]
        try:
            return self._app(environ, start_response)  # what is streamed, the breaker bounds
        finally:
            self._leave(service)

    def _enter(self, service: str) -> bool:
        with self._lock:
            if self._inside[service] >= self._most or sum(self._inside.values()) >= MOST_OF_ALL:
                return False
            self._inside[service] += 1
            return True

    def _leave(self, service: str) -> None:
        with self._lock:
            self._inside[service] -= 1
