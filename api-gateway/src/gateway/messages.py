"""What passes through: requests and answers as they are, piece by piece, but for some headers."""

from __future__ import annotations

import string
from collections.abc import Iterator
from urllib.parse import quote

from flask import Response, g, request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, RequestTimeout

from .chassis import tracing
from .connections import PIECE, Answer

# RFC 9110, 7.6.1: these speak of one connection, not of the message
_HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization"}
_HOP_BY_HOP |= {"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
_SET_HERE = {"host", "content-length", "expect", "forwarded", "x-request-id"}
_SET_HERE |= {"traceparent", "tracestate"}
_NOT_THE_SERVICES = {"server", "date", "x-request-id"}


def target() -> str:
    """Path and query as the client sent them. The path was matched, so it holds plain words."""
    query = quote(request.query_string, safe=string.punctuation)  # only bytes that are no ASCII
    return f"{request.path}?{query}" if query else request.path


def body(limit: int, seconds: float) -> tuple[Iterator[bytes] | None, dict[str, str]]:
    """What the request carries, to be read piece by piece, and the header that frames it.

    While it is read RequestEntityTooLarge, RequestTimeout (a client silent for so many seconds)
    and BadRequest are raised; the first also here, for a length over `limit`.
    """
    length = request.content_length
    if length is None:
        if "Transfer-Encoding" not in request.headers:
            return None, {}
        return _pieces(limit, None, seconds), {}
    if length > limit:
        raise RequestEntityTooLarge
    framing = {"Content-Length": str(length)}
    return (_pieces(limit, length, seconds) if length else None), framing


def _pieces(limit: int, length: int | None, seconds: float) -> Iterator[bytes]:
    stream, taken = request.environ["wsgi.input"], 0
    if (client := request.environ.get("gunicorn.socket")) is not None:
        client.settimeout(seconds)  # gunicorn itself would wait for ever
    while length is None or taken < length:
        try:
            piece = stream.read(PIECE if length is None else min(PIECE, length - taken))
        except TimeoutError as error:
            raise RequestTimeout from error
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


def headers() -> dict[str, str]:
    """What the service is told of the request, by the client and by the gateway."""
    dropped = _HOP_BY_HOP | _SET_HERE | _named_in(request.headers.get("Connection"))
    passed = {
        name: value
        for name, value in request.headers.items()
        if name.lower() not in dropped and not name.lower().startswith("x-forwarded-")
    }
    return {
        **passed,
        **headers_for_all(),
        "X-Forwarded-Proto": request.scheme,
        "X-Forwarded-Host": request.host,
    }


def headers_for_all() -> dict[str, str]:
    """What a service is told of a request whose answer is shared: nothing it could depend on."""
    state = request.headers.get("tracestate")
    return {
        # by the name under which an exported span would replace it
        **({"tracestate": state} if state else {}),
        "X-Forwarded-For": request.remote_addr or "",
        "X-Request-Id": g.request_id,
        tracing.HEADER: tracing.current(),
    }


def answer(upstream: Answer) -> Response:
    """What the client is told of the service's answer."""
    if upstream.length is not None and upstream.length <= PIECE:
        # read at once, so that no slow client holds a connection to the service
        try:
            response = Response(b"".join(upstream.pieces()))
        finally:
            upstream.close()
    else:
        response = Response(upstream.pieces())
        response.call_on_close(upstream.close)
    response.automatically_set_content_length = False  # a HEAD answer tells of a body it has not
    response.status = f"{upstream.status} {upstream.reason}".rstrip()
    named = {name.lower(): value for name, value in upstream.headers}
    dropped = _HOP_BY_HOP | _NOT_THE_SERVICES | _named_in(named.get("connection"))
    response.headers = Headers(
        (name, value)
        for name, value in upstream.headers
        if name.lower() not in dropped and not name.lower().startswith("access-control-")
    )
    return response


def _named_in(connection: str | None) -> set[str]:
    return {name.strip().lower() for name in (connection or "").split(",")}
