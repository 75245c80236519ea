"""What passes through: requests and answers as they are, piece by piece, but for some headers."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from werkzeug.datastructures import EnvironHeaders
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    RequestEntityTooLarge,
    RequestTimeout,
)
from werkzeug.wsgi import ClosingIterator, get_content_length, get_host

from .chassis import tracing
from .connections import PIECE, Answer
from .refusals import Refusal
from .routing import Row

Headers = list[tuple[str, str]]

# RFC 9110, 7.6.1: these speak of one connection, not of the message
_HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization"}
_HOP_BY_HOP |= {"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
_SET_HERE = {"host", "content-length", "expect", "forwarded", "x-request-id"}
_SET_HERE |= {"traceparent", "tracestate"}
_NOT_THE_SERVICES = {"server", "date", "x-request-id"}


class Call:
    """A request of a client, and what is found out about it on its way."""

    endpoint: str | None = None  # of Flask; None where nothing is
    route = "-"  # the template of its path
    row: Row | None = None  # None: it is not for a service
    lost: HTTPException | None = None  # why it is for nobody
    ids: Mapping[str, str] = {}  # in its path
    id = ""  # the request id
    limit: Headers = []  # what its caller is told of how often he may ask

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.path: str = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
        self.address: str = environ.get("REMOTE_ADDR", "")

    def header(self, name: str) -> str:
        """Its text, and none where it was not sent."""
        return self.environ.get(f"HTTP_{name.upper().replace('-', '_')}", "")

    def trace(self) -> dict[str, str]:
        """The headers that say what it is caused by."""
        return {name: self.header(name) for name in (tracing.HEADER, "tracestate")}

    def target(self) -> str:
        """Path and query as the client sent them. The path was matched, so it holds plain words."""
        query = self.environ.get("QUERY_STRING", "")
        if not query:
            return self.path
        # only bytes that are no ASCII
        return f"{self.path}?{quote(query.encode('latin-1'), safe=string.punctuation)}"

    def refuse_body(self) -> None:
        """Raises RequestEntityTooLarge if it has one."""
        if get_content_length(self.environ):
            raise RequestEntityTooLarge

    def body(self, limit: int, seconds: float) -> tuple[Iterator[bytes] | None, dict[str, str]]:
        """What it carries, to be read piece by piece, and the header that frames it.

        While it is read RequestEntityTooLarge, RequestTimeout (a client silent for so many
        seconds) and BadRequest are raised; the first also here, for a length over `limit`.
        """
        length = get_content_length(self.environ)
        if length is None:
            if not self.header("Transfer-Encoding"):
                return None, {}
            return self._pieces(limit, None, seconds), {}
        if length > limit:
            raise RequestEntityTooLarge
        framing = {"Content-Length": str(length)}
        return (self._pieces(limit, length, seconds) if length else None), framing

    def _pieces(self, limit: int, length: int | None, seconds: float) -> Iterator[bytes]:
        stream, taken = self.environ["wsgi.input"], 0
        with self._silence_ends_after(seconds):
            while length is None or taken < length:
                try:
                    piece = stream.read(PIECE if length is None else min(PIECE, length - taken))
                except TimeoutError as error:
                    raise RequestTimeout from error
                except Exception as error:  # the edge: whatever is raised for a malformed body
                    raise BadRequest from error
                if not piece and length is not None:
                    raise BadRequest  # the client went away
                if not piece:
                    return
                taken += len(piece)
                if taken > limit:
                    raise RequestEntityTooLarge  # ends the connection to the service before its end
                yield piece

    @contextmanager
    def _silence_ends_after(self, seconds: float) -> Iterator[None]:
        client = self.environ.get("gunicorn.socket")
        if client is None:
            yield
            return
        before = client.gettimeout()  # for ever; between requests gunicorn itself ends the wait
        client.settimeout(seconds)
        try:
            yield
        finally:
            client.settimeout(before)

    def headers(self) -> dict[str, str]:
        """What the service is told of it, by the client and by the gateway."""
        dropped = _HOP_BY_HOP | _SET_HERE | _named_in(self.header("Connection"))
        passed = {
            name: value
            for name, value in EnvironHeaders(self.environ).items()
            if name.lower() not in dropped and not name.lower().startswith("x-forwarded-")
        }
        return {
            **passed,
            **self.headers_for_all(),
            "X-Forwarded-Proto": self.environ["wsgi.url_scheme"],
            "X-Forwarded-Host": get_host(self.environ),
        }

    def headers_for_all(self) -> dict[str, str]:
        """What is told of it where the answer is shared: nothing that it could depend on."""
        state = self.header("tracestate")
        return {
            # by the name under which an exported span would replace it
            **({"tracestate": state} if state else {}),
            "X-Forwarded-For": self.address,
            "X-Request-Id": self.id,
            tracing.HEADER: tracing.current(),
        }


@dataclass
class Reply:
    """What a client is told."""

    status: str  # with its phrase
    headers: Headers
    body: Iterable[bytes]  # a list if it is whole

    @classmethod
    def of(cls, refused: Refusal) -> Reply:
        return cls(refused.status, refused.headers, [refused.body])

    @property
    def code(self) -> int:
        return int(self.status[:3])

    @property
    def is_whole(self) -> bool:
        return isinstance(self.body, list)


def reply(upstream: Answer) -> Reply:
    """What the client is told of the service's answer."""
    if upstream.length is not None and upstream.length <= PIECE:
        # read at once, so that no slow client holds a connection to the service
        try:
            body: Iterable[bytes] = [b"".join(upstream.pieces())]
        finally:
            upstream.close()
    else:
        body = ClosingIterator(upstream.pieces(), upstream.close)
    named = {name.lower(): value for name, value in upstream.headers}
    dropped = _HOP_BY_HOP | _NOT_THE_SERVICES | _named_in(named.get("connection"))
    headers = [
        (name, value)
        for name, value in upstream.headers
        if name.lower() not in dropped and not name.lower().startswith("access-control-")
    ]
    return Reply(f"{upstream.status} {upstream.reason}".rstrip(), headers, body)


def _named_in(connection: str | None) -> set[str]:
    return {name.strip().lower() for name in (connection or "").split(",")}
