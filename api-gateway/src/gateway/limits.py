"""How often one address may ask: counted in Redis, or here while Redis is away."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import redis
from flask import Flask, Response, abort, g, request
from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from prometheus_client import Counter
from redis.backoff import NoBackoff
from redis.retry import Retry

from .chassis.logs import log
from .chassis.metrics import REGISTRY
from .routing import TABLE
from .settings import Settings

IN_MEMORY = "memory://"  # a CACHE_URL for one process alone, as in a test
TIMEOUT = 0.1  # seconds; asked at every request: better to count here than to wait for it
QUIET = 2.0  # seconds that a Redis that failed is left alone
NOT_COUNTED = {None, "health.live", "health.ready"}  # None: what is not in the table
COSTLY = {row.name for row in TABLE if row.costly}

# One more in this window, which begins with the first; how many there are, and its last ms.
_COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""

REFUSED = Counter(
    "shop_rate_limited_total",
    "Requests refused because their address had asked too often",
    ["limit"],
    registry=REGISTRY,
)


class Window(NamedTuple):
    """A limit, how many requests it has counted, and how many seconds it goes on counting them."""

    limit: RateLimitItem
    count: int
    seconds: float

    @property
    def left(self) -> int:
        return self.limit.amount - self.count


class Counts:
    """The counts of all gateways that have one Redis."""

    def __init__(self, url: str) -> None:
        self._here = MemoryStorage()
        self._redis = None
        self._quiet_until = 0.0
        if url != IN_MEMORY:
            self._redis = redis.Redis.from_url(
                url,
                socket_connect_timeout=TIMEOUT,
                socket_timeout=TIMEOUT,
                retry=Retry(NoBackoff(), 0),
            )
            self._add = self._redis.register_script(_COUNT)

    def add(self, limit: RateLimitItem, *whose: str) -> Window:
        """Count a request."""
        key, seconds = limit.key_for("gateway", *whose), limit.get_expiry()
        if self._redis is not None and time.monotonic() >= self._quiet_until:
            try:
                count, ends = self._add([key], [seconds * 1000])
                return Window(limit, count, ends / 1000)
            except redis.RedisError as error:
                self._quiet_until = time.monotonic() + QUIET
                log.warning("counts.away", error=repr(error))
        count = self._here.incr(key, seconds)
        return Window(limit, count, self._here.get_expiry(key) - time.time())

    def check(self) -> bool:
        """Whether they are counted together."""
        try:
            return self._redis is None or self._redis.ping()
        except redis.RedisError:
            return False


def init_app(app: Flask, settings: Settings) -> Counts:
    """Limit all requests of an address taken together, and of these the costly ones further."""
    counts = Counts(settings.cache_url)
    of_all, of_costly = parse_many(settings.rate_limit), parse_many(settings.login_rate_limit)

    @app.before_request
    def count() -> None:
        # a browser cannot wait before a preflight and try again, and it costs nothing
        if request.method == "OPTIONS" or request.endpoint in NOT_COUNTED:
            return
        who = request.remote_addr or "nobody"
        windows = [counts.add(limit, who) for limit in of_all]
        if request.endpoint in COSTLY:
            windows += [counts.add(limit, who, "costly") for limit in of_costly]
        g.window = min(windows, key=lambda window: window.left)
        if g.window.left < 0:
            REFUSED.labels(str(g.window.limit)).inc()
            abort(429)

    app.after_request(_tell)
    return counts


def _tell(response: Response) -> Response:
    window: Window | None = g.get("window")
    if window is None:
        return response
    headers, seconds = response.headers, max(1, math.ceil(window.seconds))
    headers["X-RateLimit-Limit"] = str(window.limit.amount)
    headers["X-RateLimit-Remaining"] = str(max(0, window.left))
    headers["X-RateLimit-Reset"] = str(int(time.time()) + seconds)
    if window.left < 0:
        headers["Retry-After"] = str(seconds)
    return response
