"""What passes through: requests and answers, whole and as they are, but for some headers."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import gevent
from werkzeug.datastructures import EnvironHeaders
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    RequestEntityTooLarge,
    RequestTimeout,
)
from werkzeug.wsgi import get_content_length, get_host

from .chassis import tracing
from .connections import Answer
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
    body: bytes | None = None
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

    def read_body(self, seconds: float) -> None:
        """Read all that it carries. Nobody is asked before: who sends slowly holds up himself.

        Raises RequestEntityTooLarge (for more than its row lets pass), RequestTimeout (it is not
        whole after so many seconds) and BadRequest.
        """
        length, most = get_content_length(self.environ), self.row.body
        if length is None and not self.header("Transfer-Encoding"):
            return
        if length is not None and length > most:
            raise RequestEntityTooLarge
        with self._ends_after(seconds):
            try:
                self.body = self.environ["wsgi.input"].read(most + 1 if length is None else length)
            except RequestTimeout:
                raise
            except Exception as error:  # the edge: whatever is raised for a malformed body
                raise BadRequest from error
        if len(self.body) > most:
            raise RequestEntityTooLarge
        if len(self.body) < (length or 0):
            raise BadRequest  # the client went away

    @contextmanager
    def _ends_after(self, seconds: float) -> Iterator[None]:
        if "gunicorn.socket" not in self.environ:  # nobody is waited for
            yield
            return
        with gevent.Timeout(seconds, RequestTimeout):
            yield

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
            **({} if self.body is None else {"Content-Length": str(len(self.body))}),
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
    body: Iterable[bytes]

    @classmethod
    def of(cls, refused: Refusal) -> Reply:
        return cls(refused.status, refused.headers, [refused.body])

    @property
    def code(self) -> int:
        return int(self.status[:3])


def reply(upstream: Answer) -> Reply:
    """What the client is told of the service's answer."""
    named = {name.lower(): value for name, value in upstream.headers}
    dropped = _HOP_BY_HOP | _NOT_THE_SERVICES | _named_in(named.get("connection"))
    headers = [
        (name, value)
        for name, value in upstream.headers
        if name.lower() not in dropped and not name.lower().startswith("access-control-")
    ]
    if upstream.body and "content-length" not in named:
        headers.append(("Content-Length", str(len(upstream.body))))
    return Reply(f"{upstream.status} {upstream.reason}".rstrip(), headers, [upstream.body])


def _named_in(connection: str | None) -> set[str]:
    return {name.strip().lower() for name in (connection or "").split(",")}
