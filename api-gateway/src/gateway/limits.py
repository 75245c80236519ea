"""How often one address may ask: counted in Redis, or here while Redis is away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request
from flask_limiter import HeaderNames, Limiter, RequestLimit
from prometheus_client import Counter
from redis.backoff import NoBackoff
from redis.retry import Retry

from .chassis.metrics import REGISTRY
from .settings import Settings

_REDIS = {
    # asked at every request: better to count here than to wait for it
    "socket_connect_timeout": 0.1,
    "socket_timeout": 0.1,
    "retry": Retry(NoBackoff(), 0),
}
_SECONDS = "X-RateLimit-Retry-After"

REFUSED = Counter(
    "shop_rate_limited_total",
    "Requests refused because their address had asked too often",
    ["limit"],
    registry=REGISTRY,
)


def address() -> str:
    """Who is counted."""
    return request.remote_addr or "nobody"


def init_app(app: Flask, settings: Settings) -> Limiter:
    """Limit all requests of an address taken together."""
    app.after_request(_say_when_to_come_back)
    limiter = Limiter(
        address,
        app=app,
        application_limits=[settings.rate_limit],
        storage_uri=settings.cache_url,
        storage_options=_REDIS,
        key_prefix="gateway",
        headers_enabled=True,
        on_breach=_count,
        header_name_mapping={HeaderNames.RETRY_AFTER: _SECONDS},
        in_memory_fallback_enabled=True,
        swallow_errors=True,
    )
    # a browser cannot wait before a preflight and try again, and it costs nothing
    limiter.request_filter(lambda: request.method == "OPTIONS")
    return limiter


def costly(limiter: Limiter, settings: Settings) -> Callable[[Any], Any]:
    """A decorator that counts a view among those that make users hash a password."""
    return limiter.shared_limit(settings.login_rate_limit, scope="costly")


def _count(reached: RequestLimit) -> None:
    REFUSED.labels(str(reached.limit)).inc()


def _say_when_to_come_back(response: Response) -> Response:
    """flask-limiter would send Retry-After with every answer, and instead of a service's own."""
    seconds = response.headers.pop(_SECONDS, None)
    if response.status_code == 429 and seconds:
        # 0 where the window ends within this second: not yet
        response.headers.setdefault("Retry-After", str(max(1, int(seconds))))
    return response
