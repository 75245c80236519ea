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
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from prometheus_client import Counter
from werkzeug.datastructures import RequestCacheControl, ResponseCacheControl
from werkzeug.http import (
    parse_cache_control_header,
    parse_etags,
    remove_entity_headers,
    unquote_etag,
)

from .chassis.metrics import REGISTRY
from .messages import Call, Reply
from .store import Store

ALONE = 1.0  # seconds that somebody has to ask the service alone, and others wait for him
LARGEST = 64 * 1024  # bytes of an answer that is kept

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
_HITS = READS.labels("hit")


class Cache:
    """The answers of all gateways that have one Redis."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._owed: dict[str, int] = defaultdict(int)  # how often a version must be made anew first

    def answer(self, call: Call, ask: Callable[[], Reply]) -> Reply:
        """The answer to a GET or HEAD: the kept one if it still counts, else what `ask` brings.

        304 to who has it already.
        """
        reply = self._answer(call, ask)
        known = call.header("If-None-Match")
        if known and reply.code == 200:
            tag = next((text for name, text in reply.headers if name.lower() == "etag"), "")
            if tag and parse_etags(known).contains_weak(unquote_etag(tag)[0]):
                reply = Reply("304 Not Modified", reply.headers, [])
                remove_entity_headers(reply.headers)
        if call.method == "HEAD":
            reply.body = []
        return reply

    def _answer(self, call: Call, ask: Callable[[], Reply]) -> Reply:
        service, target = call.row.service, call.target()
        if _is_for_new_ones(call):
            self.forget(service)
        deadline, me = time.monotonic() + ALONE, None
        while True:
            version, kept = self._look(service, target)
            if version is None:
                READS.labels("away").inc()
                self._owed[service] += 1  # what others keep meanwhile may be older than this
                return ask()
            if kept == b"":  # a mark: what is answered here is not kept, so nobody waits for it
                READS.labels("miss").inc()
                return self._ask_too(service, target, version, ask)
            if kept is not None:
                _HITS.inc()
                return _unpacked(kept)
            lock, me = f"gateway:lock:{version.decode()}:{target}", me or _unique()
            if self._store.ask("SET", lock, me, "NX", "PX", int(ALONE * 1000)):
                READS.labels("miss").inc()
                return self._ask_alone(service, target, lock, (me, version), ask)
            if time.monotonic() >= deadline:
                READS.labels("miss").inc()
                return self._ask_beside(service, ask)
            time.sleep(0.01)

    def forget(self, service: str) -> None:
        """Let no kept answer of a service count any more: after every change of it."""
        self._owed[service] += 1
        self._renew(service, self._store.insist)

    def _ask_alone(
        self,
        service: str,
        target: str,
        lock: str,
        held: tuple[bytes, bytes],
        ask: Callable[[], Reply],
    ) -> Reply:
        seconds, (me, version) = 0, held
        try:
            response = ask()
            seconds = _shared_for(response)
            if not seconds:  # a mark for who comes next
                self._store.ask("SET", _kept(service, target), version, "PX", int(ALONE * 1000))
        finally:
            if not seconds:
                self._store.ask("DEL", lock)  # the others do not wait for nothing
        if seconds:
            keys = lock, _version(service), _kept(service, target)
            told = me, version, _packed(response), int((seconds - ALONE) * 1000)
            if not self._store.ask("EVAL", _KEEP, len(keys), *keys, *told):
                self.forget(service)  # another may have asked, and who came first is not known
        return response

    def _ask_too(
        self, service: str, target: str, version: bytes, ask: Callable[[], Reply]
    ) -> Reply:
        response = ask()
        stays = () if _shared_for(response) else ("PX", int(ALONE * 1000))
        # Once the mark is gone, somebody may keep, or ask alone for, what is older than this.
        if self._store.ask("GETEX", _kept(service, target), *stays) != version:
            self.forget(service)
        return response

    def _ask_beside(self, service: str, ask: Callable[[], Reply]) -> Reply:
        try:
            return ask()
        finally:  # what is kept may be older than this
            self.forget(service)

    def _look(self, service: str, target: str) -> tuple[bytes | None, bytes | None]:
        """The version that counts, None while Redis is away; and the answer kept under it."""
        if self._owed[service] and not self._renew(service, self._store.ask):
            return None, None
        name = _version(service)
        if (found := self._store.ask("MGET", name, _kept(service, target))) is None:
            return None, None
        version, kept = found
        if version is None:  # new, or flushed: of several that find this, one sets it
            self._store.ask("SET", name, _unique(), "NX")
            version = self._store.ask("GET", name)
        if version is None or kept is None or not kept.startswith(version):
            return version, None
        return version, kept[len(version) :]

    def _renew(self, service: str, ask: Callable[..., Any]) -> bool:
        owed = self._owed[service]
        done = bool(ask("SET", _version(service), _unique()))
        if done and self._owed[service] == owed:  # nobody has come to owe more meanwhile
            self._owed[service] = 0
        return done


def _version(service: str) -> str:
    return f"gateway:version:{service}"


def _kept(service: str, target: str) -> str:
    return f"gateway:answer:{service}:{target}"


def _is_for_new_ones(call: Call) -> bool:
    wish = call.header("Cache-Control")
    return bool(wish) and parse_cache_control_header(wish, cls=RequestCacheControl).no_cache


def _shared_for(reply: Reply) -> int:
    """How many seconds an answer may be kept for others."""
    if reply.code != 200 or sum(map(len, reply.body)) > LARGEST:
        return 0
    said = {name.lower(): text for name, text in reply.headers}
    told = parse_cache_control_header(said.get("cache-control"), cls=ResponseCacheControl)
    if told.private or told.no_store or told.no_cache or "vary" in said:
        return 0
    return told.s_maxage or 0


def _packed(reply: Reply) -> bytes:
    head = json.dumps([time.time(), reply.headers])
    return head.encode() + b"\n" + b"".join(reply.body)


def _unpacked(kept: bytes) -> Reply:
    head, body = kept.split(b"\n", 1)
    made, headers = json.loads(head)
    age = "Age", str(max(0, int(time.time() - made)))
    return Reply("200 OK", [*((name, text) for name, text in headers), age], [body])


def _unique() -> bytes:
    return uuid.uuid4().hex.encode()
