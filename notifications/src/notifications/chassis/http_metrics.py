"""Counts the requests of a web process, and how long each took."""

from __future__ import annotations

import time
from functools import cache

from flask import Flask, Response, g, request
from prometheus_client import Counter, Histogram

from .metrics import REGISTRY

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

REQUESTS = Counter(
    "shop_http_requests_total",
    "Requests answered; where no route was found it is `-`",
    ["method", "route", "status"],
    registry=REGISTRY,
)
DURATION = Histogram(
    "shop_http_request_duration_seconds",
    "Seconds from a request to its answer",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)


def init_app(app: Flask) -> None:
    """Count every request when it is answered; logs.init_app, which notes its begin, is before."""
    app.after_request(_count)


def count(method: str, route: str, status: int, seconds: float) -> None:
    """Count one request."""
    # a client may make up methods, and each would be kept for ever
    counter, duration = _metrics(method if method in _METHODS else "other", route, status)
    counter.inc()
    duration.observe(seconds)


def _count(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "-"
    count(request.method, route, response.status_code, time.perf_counter() - g.began)
    return response


@cache  # they are few, and to find them takes longer than to count
def _metrics(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, status), DURATION.labels(method, route)
