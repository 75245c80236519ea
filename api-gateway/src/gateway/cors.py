"""CORS: which pages of other origins may call. None but those listed, and none with cookies."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flask import Flask, Response
from flask_cors import CORS

from .routing import TABLE

_METHODS = sorted({method for row in TABLE for method in row.methods})
_SEND = ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"]
_SEND += ["X-Request-Id", "traceparent"]
_READ = ["ETag", "Link", "Location", "Retry-After", "X-Request-Id"]
_READ += ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"]


def init_app(app: Flask, origins: Sequence[str]) -> None:
    """Let pages of `origins` call; preflights are answered here."""
    if not origins:
        return
    CORS(
        app,
        origins=[re.compile(rf"{re.escape(origin)}\Z", re.IGNORECASE) for origin in origins],
        methods=_METHODS,
        allow_headers=_SEND,
        expose_headers=_READ,
        supports_credentials=False,  # tokens travel in a header, never in a cookie
        max_age=600,
        always_send=False,  # nothing to those who do not say where they come from
        vary_header=False,  # it would say so only to some; below says it to all
    )

    @app.after_request
    def vary(response: Response) -> Response:
        response.vary.add("Origin")
        return response
