"""Ready answers, kept in Redis. Never wrong: a change is seen by the very next read.

Every answer is kept with the version of the catalogue that was read before the database was
asked; `forget`, after every write, makes a new version, and older answers no longer count.
Redis may be away, empty or slow: then answers are made anew, at most TIMEOUT later. If a `forget`
does not reach it, this process does not use it until one has; others may then serve an answer
that is at most TTL old.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import redis
from flask_caching.backends import RedisCache
from prometheus_client import Counter
from redis.backoff import NoBackoff
from redis.retry import Retry

from .chassis.logs import log
from .chassis.metrics import REGISTRY

TTL = 30  # seconds
TIMEOUT = 0.1  # seconds that one question to Redis may take
QUIET = 2.0  # seconds that a Redis that failed is left alone
WAIT = 1.0  # seconds to wait for an answer that somebody else is making
VERSION = "version"

READS = Counter(
    "shop_cache_reads_total",
    "Answers that were kept (hit), had to be made (miss), or were made because Redis is away",
    ["outcome"],
    registry=REGISTRY,
)
FAILURES = Counter("shop_cache_failures_total", "Questions to Redis that failed", registry=REGISTRY)


class _Plain:
    """Stores bytes as they are: no pickle is ever read from Redis."""

    dumps = loads = staticmethod(lambda value, *_: value)


class _Bytes(RedisCache):
    serializer = _Plain()


class Cache:
    """The answers of one service."""

    def __init__(self, url: str, prefix: str) -> None:
        self.prefix = prefix
        self.redis = redis.Redis.from_url(
            url,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            # once more on a fresh connection, since a kept one may have been closed
            retry=Retry(NoBackoff(), 1, (redis.ConnectionError,)),
        )
        self.store = _Bytes(host=self.redis, key_prefix=prefix, default_timeout=TTL)
        self._quiet_until = 0.0
        # How many times to forget was due, and how many of these have reached Redis.
        self._due = self._done = 0
        self._counting = threading.Lock()

    def get(self, key: str, make: Callable[[], bytes]) -> bytes:
        """The answer for `key`: the kept one if it still counts, else what `make` makes."""
        version, kept = self._try(self._look, key) or (None, None)
        if kept is not None:
            READS.labels("hit").inc()
            return kept
        if version is None:  # Redis is away
            READS.labels("away").inc()
            return make()
        lock = f"{self.prefix}lock:{key}:{version.decode()}"
        if not self._try(self.redis.set, lock, 1, nx=True, px=int(WAIT * 1000)):
            kept = self._wait(key, version, lock)
            READS.labels("miss" if kept is None else "hit").inc()
            return make() if kept is None else kept
        READS.labels("miss").inc()
        try:
            made = make()
        except BaseException:
            self._try(self.redis.delete, lock)
            raise
        # The lock stays until it expires, for those who looked before this and try it after.
        self._try(self.store.set, key, version + made)
        return made

    def forget(self) -> None:
        """Let no kept answer count any more: after every write."""
        with self._counting:
            self._due += 1
        try:
            self._raise_version()
        except redis.RedisError as error:
            self._away(error)

    def repay(self) -> None:
        """Forget now what could not be forgotten when it was due."""
        if self._done < self._due:
            self.forget()

    def ping(self) -> str:
        """For the health check; raises what is wrong."""
        self.redis.ping()
        return "answers"

    def _look(self, key: str) -> tuple[bytes, bytes | None]:
        if self._done < self._due:
            self._raise_version()
        version, kept = self.store.get_many(VERSION, key)
        if version is None:  # new, or flushed: of several that find this, one sets it
            self.redis.set(self.prefix + VERSION, _fresh(), nx=True)
            version = self.store.get(VERSION)
        return version, _if_of(version, kept)

    def _wait(self, key: str, version: bytes, lock: str) -> bytes | None:
        """What the holder of the lock makes; None if it gave up or takes too long."""
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            kept, held = self._try(self.redis.mget, [self.prefix + key, lock]) or (None, None)
            if (kept := _if_of(version, kept)) is not None or held is None:
                return kept
            time.sleep(0.01)
        return None

    def _raise_version(self) -> None:
        due = self._due
        self.store.set(VERSION, _fresh(), timeout=0)
        with self._counting:
            self._done = max(self._done, due)

    def _try(self, ask: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """What Redis says, or None while it is away."""
        if time.monotonic() < self._quiet_until:
            return None
        try:
            return ask(*args, **options)
        except redis.RedisError as error:
            self._away(error)
            return None

    def _away(self, error: redis.RedisError) -> None:
        FAILURES.inc()
        self._quiet_until = time.monotonic() + QUIET
        log.warning("cache.away", error=repr(error))


def _fresh() -> bytes:
    return uuid.uuid4().hex.encode()


def _if_of(version: bytes | None, kept: bytes | None) -> bytes | None:
    """The answer in what was kept, if it was made under this version."""
    if version is None or kept is None or not kept.startswith(version):
        return None
    return kept[len(version) :]
