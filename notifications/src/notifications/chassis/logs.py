"""Logs: one JSON object a line, with the request and the trace it belongs to."""

from __future__ import annotations

import logging
import re
import sys
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog
from flask import Flask, Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars, merge_contextvars

from . import tracing

_REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)

log = structlog.get_logger()


class _Stdout:
    """Writes each line whole and at once, whichever thread it comes from."""

    def write(self, line: str) -> None:
        # Nobody is refused because a line could not be written: the disk may be full.
        with suppress(OSError, ValueError):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    debug = info = warning = error = critical = write


def configure(service: str, level: str = "INFO") -> None:
    """Send every log line of this process, libraries included, to stdout as JSON."""
    root = logging.getLogger()
    root.handlers = [handler(service)]
    root.setLevel(level.upper())
    for noisy in ("pymongo", "kombu", "amqp", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    stdout = _Stdout()
    structlog.configure(  # our own lines do not go through logging: that costs more than twice
        processors=[*_said_of_each(service), *_as_json()],
        logger_factory=lambda *_: stdout,
        wrapper_class=structlog.make_filtering_bound_logger(root.level),
    )


def handler(service: str) -> logging.Handler:
    """Writes the log records of libraries to stdout as JSON."""
    to_stdout = logging.StreamHandler(sys.stdout)
    to_stdout.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_said_of_each(service),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_as_json()],
        )
    )
    return to_stdout


def _said_of_each(service: str) -> list[Any]:
    def stamp(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        # by hand, since isoformat alone leaves out a fraction that is zero
        moment = datetime.now(UTC).isoformat(timespec="microseconds")
        event["time"] = f"{moment.removesuffix('+00:00')}Z"
        event.setdefault("service", service)
        return event

    return [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        stamp,
    ]


def _as_json() -> list[Any]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def init_app(app: Flask) -> None:
    """Give each request an id and a span, return the id, and log one line when it is answered."""
    tracing.spans.watch(app)
    app.before_request(_begin)
    app.after_request(_end)


def begin(given: str, span: tracing.Ids) -> str:
    """From here all that is logged belongs to one request; its id, which is the given one if any.

    What was before it in this thread is forgotten.
    """
    request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
    clear_contextvars()
    bind_contextvars(request_id=request_id, **span)
    return request_id


def end(method: str, path: str, route: str, status: int, seconds: float) -> None:
    """Log the one line of a request. A route is its template; a path is in no log."""
    say = log.debug if path.startswith("/health") else log.info
    say(
        "request",
        method=method,
        route=route,
        status=status,
        duration_ms=round(seconds * 1000, 1),
    )


def _begin() -> None:
    g.began = time.perf_counter()
    span = tracing.spans.of_request(request.headers.get(tracing.HEADER))
    g.request_id = begin(request.headers.get("X-Request-Id", ""), span)


def _end(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    route = request.url_rule.rule if request.url_rule else "-"
    seconds = time.perf_counter() - g.began
    end(request.method, request.path, route, response.status_code, seconds)
    return response
