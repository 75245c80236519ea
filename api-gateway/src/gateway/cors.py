"""CORS: which pages of other origins may call. None but those listed, and none with cookies."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flask import Flask
from flask_cors.core import get_cors_headers, get_cors_options
from werkzeug.datastructures import EnvironHeaders

from .messages import Call
from .routing import TABLE

_METHODS = sorted({method for row in TABLE for method in row.methods})
_SEND = ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"]
_SEND += ["X-Request-Id", "traceparent"]
_READ = ["ETag", "Link", "Location", "Retry-After", "X-Request-Id"]
_READ += ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"]


class Cors:
    """Lets pages of `origins` call."""

    def __init__(self, app: Flask, origins: Sequence[str]) -> None:
        self._options = origins and get_cors_options(
            app,
            {
                "origins": [
                    re.compile(rf"{re.escape(origin)}\Z", re.IGNORECASE) for origin in origins
                ],
                "methods": _METHODS,
                "allow_headers": _SEND,
                "expose_headers": _READ,
                "supports_credentials": False,  # tokens travel in a header, never in a cookie
                "max_age": 600,
                "always_send": False,  # nothing to those who do not say where they come from
                "vary_header": False,  # it would say so only to some; below says it to all
            },
        )

    def headers(self, call: Call) -> list[tuple[str, str]]:
        """What the browser is told with the answer to a call, preflights too."""
        if not self._options:
            return []
        differs = [("Vary", "Origin")]
        if "HTTP_ORIGIN" not in call.environ:
            return differs
        granted = get_cors_headers(self._options, EnvironHeaders(call.environ), call.method)
        return differs + [(name, str(value)) for name, value in granted.items()]
