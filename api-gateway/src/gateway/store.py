"""The gateway's Redis, which may be away: it is then left alone for a while, and nobody waits."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .chassis.logs import log

IN_MEMORY = "memory://"  # a CACHE_URL for one process alone, as in a test: there is no Redis
TIMEOUT = 0.1  # seconds that one question may take
QUIET = 2.0  # seconds that a Redis that failed is left alone


class Store:
    """Redis at a URL. What redis-py's client does around a command takes longer than the command,
    so its connections are used themselves: each by one caller at a time.
    """

    def __init__(self, url: str) -> None:
        self._pool = None
        if url != IN_MEMORY:
            self._pool = redis.ConnectionPool.from_url(
                url,
                socket_connect_timeout=TIMEOUT,
                socket_timeout=TIMEOUT,
                retry=Retry(NoBackoff(), 0),
            )
        self._kept: deque[Any] = deque()
        self._quiet_until = 0.0

    @property
    def is_there(self) -> bool:
        """Whether there is a Redis at all."""
        return self._pool is not None

    def ask(self, *command: Any) -> Any:
        """What Redis answers to a command, or None while it is away."""
        if time.monotonic() < self._quiet_until:
            return None
        return self.insist(*command)

    def insist(self, *command: Any) -> Any:
        """The same, also of a Redis that has failed just now."""
        if self._pool is None:
            return None
        try:
            return self._answer(command)
        except redis.RedisError as error:
            self._quiet_until = time.monotonic() + QUIET
            log.warning("redis.away", error=repr(error))
            return None

    def _answer(self, command: tuple[Any, ...]) -> Any:
        if self._kept:
            try:
                return self._told(self._kept.pop(), command)
            except redis.ConnectionError:
                self._kept.clear()  # it may have been closed, and then the others were too
        return self._told(self._pool.make_connection(), command)

    def _told(self, connection: Any, command: tuple[Any, ...]) -> Any:
        try:
            connection.send_command(*command)
            answer = connection.read_response()
        except BaseException:
            connection.disconnect()  # what it would say next is not known
            raise
        self._kept.append(connection)
        return answer
