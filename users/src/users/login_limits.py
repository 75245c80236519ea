"""How often one may guess a password, counted in Redis by all processes together."""

from __future__ import annotations

import hashlib
import time

from flask import Flask, Response, current_app, g, request
from flask_limiter import Limiter, RateLimitExceeded
from redis.backoff import NoBackoff
from redis.retry import Retry
from werkzeug.middleware.proxy_fix import ProxyFix

from .chassis.health import Check, Unwell
from .chassis.problems import problem
from .settings import Settings

# better to count here than to make a log-in wait for a Redis that hangs
_REDIS = {
    "socket_timeout": 0.1,
    "socket_connect_timeout": 0.1,
    "retry": Retry(NoBackoff(), 0),
}


def init_app(app: Flask, settings: Settings) -> Check:
    """Count by address, and by address and account; while Redis is away, each process alone.

    Gives the health check of that Redis.
    """
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.trusted_proxies, x_proto=0, x_host=0
        )
    limiter = Limiter(
        key_func=_address,
        app=app,
        storage_uri=settings.cache_url,
        storage_options=_REDIS,  # type: ignore[arg-type]
        strategy="moving-window",
        in_memory_fallback_enabled=True,
        key_prefix="users.logins",
    )

    @limiter.limit(settings.login_address_limit)
    @limiter.limit(settings.login_limit, key_func=_address_and_account)
    def count() -> None:
        """Nothing more than to be counted."""

    app.extensions["count_login"] = count
    app.register_error_handler(RateLimitExceeded, lambda _: _refuse(limiter))

    def check() -> str:
        if not limiter.storage or not limiter.storage.check():
            raise Unwell("away; each process counts log-ins alone")
        return "counts log-ins"

    return check


def count_login(account: str) -> None:
    """Count a guess at the password of an account; too many raise what is answered with 429."""
    g.login_account = account
    current_app.extensions["count_login"]()


def _address() -> str:
    return request.remote_addr or "unknown"


def _address_and_account() -> str:
    # not the e-mail itself: what is counted is logged, and kept in Redis
    return f"{_address()} {hashlib.sha256(g.login_account.encode()).hexdigest()[:16]}"


def _refuse(limiter: Limiter) -> Response:
    reset_at = limiter.current_limit.reset_at if limiter.current_limit else 0
    seconds = max(1, round(reset_at - time.time()))
    return problem(
        429,
        "Too many log-ins from here; wait before the next one.",
        headers={"Retry-After": str(seconds)},
    )
