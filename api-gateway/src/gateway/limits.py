"""How often one address may ask: counted in Redis, or here while Redis is away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, request
from flask_limiter import Limiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from .settings import Settings

_REDIS = {
    # asked at every request: better to count here than to wait for it
    "socket_connect_timeout": 0.1,
    "socket_timeout": 0.1,
    "retry": Retry(NoBackoff(), 0),
}


def address() -> str:
    """Who is counted."""
    return request.remote_addr or "nobody"


def init_app(app: Flask, settings: Settings) -> Limiter:
    """Limit all requests of an address taken together."""
    limiter = Limiter(
        address,
        app=app,
        application_limits=[settings.rate_limit],
        storage_uri=settings.cache_url,
        storage_options=_REDIS,
        key_prefix="gateway",
        headers_enabled=True,
        in_memory_fallback_enabled=True,
        swallow_errors=True,
    )
    # a browser cannot wait before a preflight and try again, and it costs nothing
    limiter.request_filter(lambda: request.method == "OPTIONS")
    return limiter


def costly(limiter: Limiter, settings: Settings) -> Callable[[Any], Any]:
    """A decorator that counts a view among those that make users hash a password."""
    return limiter.shared_limit(settings.login_rate_limit, scope="costly")
