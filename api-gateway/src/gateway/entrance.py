"""The way of every request through the gateway, from above to below.

Flask has the gateway's own pages, and explains what went wrong. What is for a service passes it by:
most of what it does for a page would have to be undone here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Any

from flask import Flask, g
from structlog.contextvars import bind_contextvars
from werkzeug.exceptions import HTTPException, NotFound

from .cache import Cache
from .chassis import auth, http_metrics, logs, tracing
from .cors import Cors
from .door import Door, TurnedAway
from .forwarding import Upstream
from .limits import Limits
from .messages import Call, Reply
from .refusals import refusal
from .routing import TABLE

CALL = "gateway.call"  # where the environ of a page has the Call
SAFE = {"GET", "HEAD"}
SHARED = {row.service for row in TABLE if row.shared}  # services with answers for all

_ID = re.compile(r"[\w-]{1,64}", re.ASCII)  # in no URL can it mean anything but an id
_SECURE = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Entrance:
    """Around the app, as WSGI has it."""

    def __init__(
        self,
        app: Flask,
        upstreams: dict[str, Upstream],
        cache: Cache,
        door: Door,
        limits: Limits,
        cors: Cors,
        client_timeout: float,
    ) -> None:
        self._upstreams, self._cache, self._door = upstreams, cache, door
        self._limits, self._cors, self._client_timeout = limits, cors, client_timeout
        for row in TABLE:  # what is answered past it, it tells the methods of
            app.add_url_rule(row.path, row.name, methods=row.methods)
        self._rows = {row.name: row for row in TABLE}
        self._routes = app.url_map.bind("")
        self._app, self._pages = app, app.wsgi_app
        app.wsgi_app = self  # type: ignore[method-assign]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        began, call = time.perf_counter(), Call(environ)
        self._find(call)
        with tracing.spans.of_passage(call.method, call.route, call.trace()) as span:
            call.id = logs.begin(call.header("X-Request-Id"), span)
            reply = self._reply(call)
            tracing.spans.answered(reply.code)
            seconds = time.perf_counter() - began
            http_metrics.count(call.method, call.route, reply.code, seconds)
            logs.end(call.method, call.path, call.route, reply.code, seconds)
        start_response(reply.status, self._headers(call, reply))
        return reply.body

    def _find(self, call: Call) -> None:
        try:
            if call.path.startswith("//"):
                raise NotFound  # werkzeug drops all slashes but one: //orders would be /orders
            rule, call.ids = self._routes.match(call.path, call.method, return_rule=True)
        except HTTPException as error:
            call.lost = error
            return
        call.endpoint, call.route = rule.endpoint, rule.rule
        call.row = self._rows.get(rule.endpoint) if call.method != "OPTIONS" else None

    def _reply(self, call: Call) -> Reply:
        try:
            self._limits.count(call)
            if call.lost:
                raise call.lost
            return self._pass(call) if call.row else self._page(call)
        except TurnedAway as full:  # at once, and so without Flask
            told = {"Cache-Control": "no-store", "Retry-After": "1"}
            return Reply.of(refusal(503, str(full), call.path, call.id, told))
        except Exception as error:  # the edge
            return self._explain(call, error)

    def _pass(self, call: Call) -> Reply:
        row = call.row
        if not row.public:
            self._admit(call)
        if not all(map(_ID.fullmatch, call.ids.values())):
            raise NotFound
        if row.shared:
            call.refuse_body()
            return self._cache.answer(call, lambda: self._forward(call))
        if row.service not in SHARED or call.method in SAFE:
            return self._forward(call)
        try:
            return self._forward(call)
        finally:  # also when it failed: a change whose answer was lost may have happened
            self._cache.forget(row.service)

    def _admit(self, call: Call) -> None:
        """Let nobody in but who has a valid access token."""
        known = self._app.extensions["known_tokens"]
        if claims := known.claims(call.header("Authorization")):
            bind_contextvars(user_id=claims["sub"])
        else:
            with self._app.request_context(call.environ):
                auth.verify()

    def _forward(self, call: Call) -> Reply:
        call.read_body(self._client_timeout)
        with self._door.place(call.row.service):
            return self._upstreams[call.row.service].forward(call)

    def _page(self, call: Call) -> Reply:
        """What Flask answers: a page of the gateway."""
        call.environ[CALL], told = call, []
        body = self._pages(call.environ, lambda *answer: told.append(answer))
        return Reply(told[0][0], told[0][1], body)

    def _explain(self, call: Call, error: Exception) -> Reply:
        """The problem that an error is, as Flask answers those of its pages."""
        with self._app.request_context(call.environ):
            g.request_id = call.id
            try:
                response = self._app.handle_user_exception(error)
            except Exception as unknown:  # the edge
                response = self._app.handle_exception(unknown)
            body, status, headers = self._app.make_response(response).get_wsgi_response(
                call.environ
            )
            return Reply(status, headers, body)

    def _headers(self, call: Call, reply: Reply) -> list[tuple[str, str]]:
        said = {name.lower() for name, _ in reply.headers}
        return [
            *reply.headers,
            *((name, value) for name, value in _SECURE.items() if name not in said),
            *self._cors.headers(call),
            *call.limit,
            ("X-Request-Id", call.id),
        ]
