"""Wakes the worker after a write, so that an event leaves at once and not at the next poll.

Losing a call is harmless: the worker looks by itself twice a second.
"""

from __future__ import annotations

import threading
import time

import redis
from flask import Flask, Response, request
from redis.backoff import NoBackoff
from redis.retry import Retry

_QUIET_SECONDS = 5.0  # how long a Redis that failed is left alone
_UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}


def channel(service: str) -> str:
    """Where `service` is called."""
    return f"{service}.outbox"


def init_app(app: Flask, cache_url: str, service: str) -> None:
    """Call the worker after every unsafe request."""
    client = redis.Redis.from_url(
        cache_url,
        socket_timeout=0.1,
        socket_connect_timeout=0.1,
        retry=Retry(NoBackoff(), 1),  # a kept connection may have been closed; no more than that
    )
    quiet_until = 0.0

    @app.after_request
    def call(response: Response) -> Response:
        nonlocal quiet_until
        if request.method in _UNSAFE and time.monotonic() > quiet_until:
            try:
                client.publish(channel(service), "")
            except redis.RedisError:
                quiet_until = time.monotonic() + _QUIET_SECONDS
        return response


def listen(cache_url: str, service: str, woken: threading.Event, stop: threading.Event) -> None:
    """Set `woken` at every call, until `stop`. Runs in a thread of its own."""
    while not stop.is_set():
        client = redis.Redis.from_url(cache_url, socket_connect_timeout=1)
        try:
            with client.pubsub(ignore_subscribe_messages=True) as calls:
                calls.subscribe(channel(service))
                while not stop.is_set():
                    if calls.get_message(timeout=1):
                        woken.set()
        except redis.RedisError:
            stop.wait(_QUIET_SECONDS)
        finally:
            client.close()
