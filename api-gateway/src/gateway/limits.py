"""How often one address may ask: counted in Redis, or here while Redis is away."""

from __future__ import annotations

import math
import threading
import time
from typing import NamedTuple

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from prometheus_client import Counter
from werkzeug.exceptions import TooManyRequests

from .chassis.metrics import REGISTRY
from .messages import Call
from .routing import TABLE
from .settings import Settings
from .store import Store

NOT_COUNTED = {None, "health.live", "health.ready"}  # None: what is not in the table
COSTLY = {row.name for row in TABLE if row.costly}

# So many more in this window, which begins with the first: their number, and its last ms.
_COUNT = """
local count = redis.call('INCRBY', KEYS[1], ARGV[2])
if count == tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""
# Where a limit is high, a process counts some requests before they come, and need not ask at each.
# Of several processes one may then refuse so many requests too early; none lets one too many in.
AHEAD, SHARE = 10, 100  # at most ten, and a hundredth of the limit
KNOWN = 10_000  # addresses with such requests in one process

REFUSED = Counter(
    "shop_rate_limited_total",
    "Requests refused because their address had asked too often",
    ["limit"],
    registry=REGISTRY,
)


class Window(NamedTuple):
    """A limit, the number of this request in it, and when it begins anew (time.monotonic)."""

    limit: RateLimitItem
    count: int
    ends: float

    @property
    def left(self) -> int:
        return self.limit.amount - self.count

    def headers(self) -> list[tuple[str, str]]:
        """What the caller is told of it."""
        seconds = max(1, math.ceil(self.ends - time.monotonic()))
        return [
            ("X-RateLimit-Limit", str(self.limit.amount)),
            ("X-RateLimit-Remaining", str(max(0, self.left))),
            ("X-RateLimit-Reset", str(int(time.time()) + seconds)),
            *([("Retry-After", str(seconds))] if self.left < 0 else []),
        ]


class Counts:
    """The counts of all gateways that have one Redis."""

    def __init__(self, store: Store) -> None:
        self._store, self._here = store, MemoryStorage()
        # By key: a window whose count has requests yet to come, and how many.
        self._counted: dict[str, tuple[Window, int]] = {}
        self._counting = threading.Lock()

    def add(self, limit: RateLimitItem, *whose: str) -> Window:
        """Count a request."""
        key, ahead = limit.key_for("gateway", *whose), min(AHEAD, limit.amount // SHARE)
        if ahead < 2:
            return self._count(limit, key, 1)
        with self._counting:
            window, spare = self._counted.get(key, (None, 0))
            if window is None or not spare or time.monotonic() >= window.ends:
                window, spare = self._count(limit, key, ahead), ahead
                if len(self._counted) >= KNOWN:
                    self._counted.clear()
            self._counted[key] = window, spare - 1
        return window._replace(count=window.count - spare + 1)

    def _count(self, limit: RateLimitItem, key: str, more: int) -> Window:
        seconds, moment = limit.get_expiry(), time.monotonic()
        if found := self._store.ask("EVAL", _COUNT, 1, key, seconds * 1000, more):
            count, ends = found
            return Window(limit, count, moment + ends / 1000)
        count = self._here.incr(key, seconds, more)
        return Window(limit, count, moment + self._here.get_expiry(key) - time.time())


class Limits:
    """All requests of an address taken together, and of these the costly ones further."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._counts = Counts(store)
        self._of_all = parse_many(settings.rate_limit)
        self._of_costly = parse_many(settings.login_rate_limit)

    def count(self, call: Call) -> None:
        """Count a call; raises TooManyRequests."""
        # a browser cannot wait before a preflight and try again, and it costs nothing
        if call.method == "OPTIONS" or call.endpoint in NOT_COUNTED:
            return
        who = call.address or "nobody"
        windows = [self._counts.add(limit, who) for limit in self._of_all]
        if call.endpoint in COSTLY:
            windows += [self._counts.add(limit, who, "costly") for limit in self._of_costly]
        nearest = min(windows, key=lambda window: window.left)
        call.limit = nearest.headers()
        if nearest.left < 0:
            REFUSED.labels(str(nearest.limit)).inc()
            raise TooManyRequests
