"""The gateway's Redis, which may be away: it is then left alone for a while, and nobody waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .chassis.logs import log

IN_MEMORY = "memory://"  # a CACHE_URL for one process alone, as in a test: there is no Redis
TIMEOUT = 0.1  # seconds that one question may take
QUIET = 2.0  # seconds that a Redis that failed is left alone


class Store:
    """Redis at a URL. `redis` is None where there is none."""

    def __init__(self, url: str) -> None:
        self.redis = None
        if url != IN_MEMORY:
            self.redis = redis.Redis.from_url(
                url,
                socket_connect_timeout=TIMEOUT,
                socket_timeout=TIMEOUT,
                # once more on a fresh connection, since a kept one may have been closed
                retry=Retry(NoBackoff(), 1, (redis.ConnectionError,)),
            )
        self._quiet_until = 0.0

    def script(self, text: str) -> Callable[..., Any] | None:
        """A script to be asked for."""
        return self.redis.register_script(text) if self.redis else None

    def ask(self, question: Callable[..., Any] | None, *args: Any, **options: Any) -> Any:
        """What Redis says, or None while it is away."""
        if time.monotonic() < self._quiet_until:
            return None
        return self.insist(question, *args, **options)

    def insist(self, question: Callable[..., Any] | None, *args: Any, **options: Any) -> Any:
        """The same, also of a Redis that has failed just now."""
        if self.redis is None or question is None:
            return None
        try:
            return question(*args, **options)
        except redis.RedisError as error:
            self._quiet_until = time.monotonic() + QUIET
            log.warning("redis.away", error=repr(error))
            return None
