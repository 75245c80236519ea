"""Takes a request to a service and its answer back, as they are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import urllib3
from flask import Response, g, request
from structlog.contextvars import get_contextvars
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    EmptyPoolError,
    HTTPError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)
from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from .chassis.logs import log, new_traceparent
from .routing import Row

PIECE = 64 * 1024  # bytes that are held at once
CONNECT_SECONDS = 2.0
QUEUE_SECONDS = 1.0  # how long a request waits for one of the connections to be free
IDLE_SECONDS = 60.0  # after this a kept connection is not used again; services close at 75

# RFC 9110, 7.6.1: these speak of one connection, not of the message
_HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization"}
_HOP_BY_HOP |= {"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
_SET_HERE = {"host", "content-length", "expect", "forwarded", "traceparent", "x-request-id"}
_NOT_THE_SERVICES = {"server", "date", "x-request-id"}


class ServiceAway(Exception):
    """The service cannot be reached, or ended the connection without an answer."""


class ServiceSilent(Exception):
    """The service did not answer in time."""


class ServiceBusy(Exception):
    """As many requests as may be are with the service already."""


STATUSES: Mapping[type[Exception], int] = {ServiceAway: 502, ServiceSilent: 504, ServiceBusy: 503}


class _AsIs:
    """A connection that sends the target as it came, and is not used again after a long rest."""

    used = 0.0

    def request(
        self, method: str, url: str, body: Any = None, headers: Any = None, **more: Any
    ) -> None:
        # urllib3 would normalise the target that its pool is given, so it comes as a header
        headers = dict(headers)
        super().request(method, headers.pop(":path"), body, headers, **more)  # type: ignore[misc]

    def getresponse(self) -> Any:
        self.used = time.monotonic()
        return super().getresponse()  # type: ignore[misc]

    @property
    def is_connected(self) -> bool:
        rested = time.monotonic() - self.used
        return rested < IDLE_SECONDS and super().is_connected  # type: ignore[misc]


class _Http(_AsIs, HTTPConnection):
    pass


class _Https(_AsIs, HTTPSConnection):
    pass


class Upstream:
    """One service, and the connections to it that are kept."""

    def __init__(self, name: str, url: str, connections: int, seconds: float) -> None:
        self.name, self.url, self.connections, self.seconds = name, url, connections, seconds
        self._pool = self._new_pool()

    def _new_pool(self) -> urllib3.HTTPConnectionPool:
        pool = urllib3.connection_from_url(self.url, maxsize=self.connections, block=True)
        pool.ConnectionCls = _Https if pool.scheme == "https" else _Http
        return pool

    def forward(self, row: Row) -> Response:
        """The answer of the service to the current request.

        Raises ServiceAway, ServiceSilent, ServiceBusy; RequestEntityTooLarge and BadRequest when
        the body is too long or breaks off.
        """
        try:
            return _answer(self._send(row))
        except EmptyPoolError as error:
            raise self._failed(ServiceBusy, error, "has too much to do") from error
        except (NewConnectionError, ConnectTimeoutError) as error:
            raise self._failed(ServiceAway, error, "cannot be reached") from error
        except ReadTimeoutError as error:
            raise self._failed(ServiceSilent, error, "did not answer in time") from error
        except HTTPError as error:
            if isinstance(error.args[-1], TimeoutError):  # it did not take the body
                raise self._failed(ServiceSilent, error, "did not answer in time") from error
            raise self._failed(ServiceAway, error, "broke off") from error

    def close(self) -> None:
        """Close the connections that are kept."""
        self._pool.close()

    def _send(self, row: Row) -> urllib3.BaseHTTPResponse:
        body, framing = _body(row.body)
        headers = {**_request_headers(), **framing, ":path": _target()}
        try:
            return self._ask(self._pool, row, body, headers)
        except ProtocolError:
            # A kept connection that the service has just closed. Only what is safe to do twice,
            # and can be sent twice, is; a POST never.
            if body is not None or request.method not in ("GET", "HEAD", "PUT", "DELETE"):
                raise
            return self._ask(self._new_pool(), row, None, headers)

    def _ask(
        self,
        pool: urllib3.HTTPConnectionPool,
        row: Row,
        body: Iterator[bytes] | None,
        headers: dict[str, str],
    ) -> urllib3.BaseHTTPResponse:
        return pool.urlopen(
            request.method,
            "/",  # see _AsIs
            body=body,
            headers=headers,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=row.seconds or self.seconds),
            pool_timeout=QUEUE_SECONDS,
            retries=False,
            redirect=False,
            chunked=body is not None and "Content-Length" not in headers,
            preload_content=False,
            decode_content=False,
        )

    def _failed(self, kind: type[Exception], error: Exception, what: str) -> Exception:
        log.warning("upstream.failed", upstream=self.name, problem=kind.__name__, error=repr(error))
        return kind(f"The service {self.name} {what}.")


def _target() -> str:
    """Path and query as the client sent them. The path was matched, so it holds plain words."""
    query = request.query_string.decode("latin-1")
    return f"{request.path}?{query}" if query else request.path


def _body(limit: int) -> tuple[Iterator[bytes] | None, dict[str, str]]:
    """What the request carries, to be read piece by piece, and the header that frames it."""
    length = request.content_length
    if length is None:
        if "Transfer-Encoding" not in request.headers:
            return None, {}
        return _pieces(limit, None), {}
    if length > limit:
        raise RequestEntityTooLarge
    framing = {"Content-Length": str(length)}
    return (_pieces(limit, length) if length else None), framing


def _pieces(limit: int, length: int | None) -> Iterator[bytes]:
    stream, taken = request.environ["wsgi.input"], 0
    while length is None or taken < length:
        try:
            piece = stream.read(PIECE if length is None else min(PIECE, length - taken))
        except Exception as error:  # the edge: whatever the server raises for a malformed body
            raise BadRequest from error
        if not piece and length is not None:
            raise BadRequest  # the client went away
        if not piece:
            return
        taken += len(piece)
        if taken > limit:
            raise RequestEntityTooLarge  # ends the connection to the service before the body ends
        yield piece


def _request_headers() -> dict[str, str]:
    dropped = _HOP_BY_HOP | _SET_HERE | _named_in(request.headers.get("Connection"))
    headers = {
        name: value
        for name, value in request.headers.items()
        if name.lower() not in dropped and not name.lower().startswith("x-forwarded-")
    }
    return {
        **headers,
        "X-Forwarded-For": request.remote_addr or "",
        "X-Forwarded-Proto": request.scheme,
        "X-Forwarded-Host": request.host,
        "X-Request-Id": g.request_id,
        "traceparent": new_traceparent(get_contextvars().get("trace_id")),
    }


def _answer(upstream: urllib3.BaseHTTPResponse) -> Response:
    left = upstream.length_remaining
    if left is not None and left <= PIECE:
        # read at once, so that no slow client holds a connection to the service
        response = Response(upstream.read())
    else:
        response = Response(upstream.stream(PIECE), direct_passthrough=True)
        response.call_on_close(lambda: _let_go(upstream))
    response.automatically_set_content_length = False  # a HEAD answer tells of a body it has not
    response.status = f"{upstream.status} {upstream.reason or ''}".rstrip()
    dropped = _HOP_BY_HOP | _NOT_THE_SERVICES | _named_in(upstream.headers.get("Connection"))
    response.headers = Headers(
        (name, value)
        for name, value in upstream.headers.items()
        if name.lower() not in dropped and not name.lower().startswith("access-control-")
    )
    return response


def _let_go(upstream: urllib3.BaseHTTPResponse) -> None:
    """Give the connection back; one whose answer was not read to its end is closed first."""
    if upstream.connection is not None:
        upstream.close()
    upstream.release_conn()


def _named_in(connection: str | None) -> set[str]:
    return {name.strip().lower() for name in (connection or "").split(",")}
