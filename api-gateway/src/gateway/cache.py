"""Answers that a service lets be shared for a moment (s-maxage), kept in Redis, as RFC 9111 has it.

What was written through a gateway is seen by the next read through any: after each change of a
service its version here is made anew, and answers kept under an older one no longer count. Nobody
sees an older answer after a newer: an answer is kept only by who asks alone, and what is answered
past the cache makes a new version too. Redis lost is slower, not wrong.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable

from flask import Response, request
from prometheus_client import Counter
from werkzeug.datastructures import Headers

from .chassis.metrics import REGISTRY
from .store import Store

ALONE = 1.0  # seconds that somebody has to ask the service alone, and others wait for him

# Keeps an answer if nobody else can have asked meanwhile: the lock is still held, and is of the
# version that counts. KEYS: lock, version, answer. ARGV: who holds the lock, the version, the
# answer, and for how many ms longer than a lock it is kept from when the lock was taken.
_KEEP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
local left = redis.call('PTTL', KEYS[1]) + ARGV[4]
if left > 0 then redis.call('SET', KEYS[3], ARGV[2] .. ARGV[3], 'PX', left) end
return 1
"""

READS = Counter(
    "shop_cache_reads_total",
    "Answers that were kept (hit), had to be made (miss), or were made because Redis is away",
    ["outcome"],
    registry=REGISTRY,
)


class Cache:
    """The answers of all gateways that have one Redis."""

    def __init__(self, store: Store) -> None:
        self._store, self._redis = store, store.redis
        self._keep = store.script(_KEEP)
        self._owed: set[str] = set()  # services whose version is to be made anew first of all

    def answer(self, service: str, target: str, ask: Callable[[], Response]) -> Response:
        """The answer to a GET: the kept one if it still counts, else what `ask` brings.

        304 to who has it already.
        """
        response = self._answer(service, target, ask)
        if request.if_none_match and response.status_code == 200:
            response.make_conditional(request)
            response.headers.pop("Date", None)  # the server's own
        return response

    def _answer(self, service: str, target: str, ask: Callable[[], Response]) -> Response:
        if request.cache_control.no_cache:
            self.forget(service)
        deadline, me = time.monotonic() + ALONE, _unique()
        while True:
            version, kept = self._store.ask(self._look, service, target) or (None, None)
            if version is None:
                READS.labels("away").inc()
                self._owed.add(service)  # what others keep meanwhile may be older than this
                return ask()
            if kept is not None:
                READS.labels("hit").inc()
                return _unpacked(kept)
            lock = f"gateway:lock:{version.decode()}:{target}"
            if self._store.ask(self._redis.set, lock, me, nx=True, px=int(ALONE * 1000)):
                READS.labels("miss").inc()
                return self._ask_alone(service, target, lock, (me, version), ask)
            if time.monotonic() >= deadline:
                READS.labels("miss").inc()
                return self._ask_beside(service, ask)
            time.sleep(0.01)

    def forget(self, service: str) -> None:
        """Let no kept answer of a service count any more: after every change of it."""
        self._owed.add(service)
        self._store.insist(self._renew, service)

    def _ask_alone(
        self,
        service: str,
        target: str,
        lock: str,
        held: tuple[bytes, bytes],
        ask: Callable[[], Response],
    ) -> Response:
        seconds = 0
        try:
            response = ask()
            seconds = _shared_for(response)
        finally:
            if not seconds:
                self._store.ask(self._redis.delete, lock)  # the others do not wait for nothing
        if seconds:
            keys = lock, _version(service), _kept(service, target)
            told = *held, _packed(response), int((seconds - ALONE) * 1000)
            if not self._store.ask(self._keep, keys, told):
                self.forget(service)  # another may have asked, and who came first is not known
        return response

    def _ask_beside(self, service: str, ask: Callable[[], Response]) -> Response:
        try:
            return ask()
        finally:  # what is kept may be older than this
            self.forget(service)

    def _look(self, service: str, target: str) -> tuple[bytes, bytes | None]:
        if service in self._owed:
            self._renew(service)
        name = _version(service)
        version, kept = self._redis.mget(name, _kept(service, target))
        if version is None:  # new, or flushed: of several that find this, one sets it
            self._redis.set(name, _unique(), nx=True)
            version = self._redis.get(name)
        if version is None or kept is None or not kept.startswith(version):
            return version, None
        return version, kept[len(version) :]

    def _renew(self, service: str) -> None:
        self._redis.set(_version(service), _unique())
        self._owed.discard(service)


def _version(service: str) -> str:
    return f"gateway:version:{service}"


def _kept(service: str, target: str) -> str:
    return f"gateway:answer:{service}:{target}"


def _shared_for(response: Response) -> int:
    """How many seconds an answer may be kept for others."""
    if response.status_code != 200 or response.is_streamed:
        return 0
    said = response.cache_control
    if said.private or said.no_store or said.no_cache or "Vary" in response.headers:
        return 0
    return said.s_maxage or 0


def _packed(response: Response) -> bytes:
    head = json.dumps([time.time(), *response.headers.items()])
    return head.encode() + b"\n" + response.get_data()


def _unpacked(kept: bytes) -> Response:
    head, body = kept.split(b"\n", 1)
    made, *headers = json.loads(head)
    response = Response(body)
    response.headers = Headers(headers)
    response.headers["Age"] = str(max(0, int(time.time() - made)))
    return response


def _unique() -> bytes:
    return uuid.uuid4().hex.encode()
