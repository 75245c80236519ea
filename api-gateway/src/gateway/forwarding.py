"""Takes requests to a service, over connections that are kept, and says why it could not."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import urllib3
from flask import Response, request
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from . import messages
from .chassis.breaker import Breaker, Refused
from .chassis.logs import log
from .routing import Row
from .settings import Settings

CONNECT_SECONDS = 2.0
# After so long a rest a kept connection is not used again: a service that stops lets it be for two
# seconds more (gunicorn's STOP_KEEPALIVE_LINGER), and what is sent into a closing one is lost.
IDLE_SECONDS = 1.0
KEPT_SECONDS = 60.0  # nor is it at this age, so that a copy of the service that came later has work


class ServiceAway(Exception):
    """The service cannot be reached, or ended the connection without an answer."""


class ServiceSilent(Exception):
    """The service did not answer in time."""


class ServiceBusy(Exception):
    """The service is not asked now: it has as much to do as it may, or has failed too often."""

    def __init__(self, text: str, retry_after: int) -> None:
        super().__init__(text)
        self.retry_after = retry_after  # seconds


STATUSES: Mapping[type[Exception], int] = {ServiceAway: 502, ServiceSilent: 504, ServiceBusy: 503}


class _AsIs:
    """A connection that sends the target as it came, and is used again only while it is fresh."""

    made = used = 0.0

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.made = time.monotonic()

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
        moment = time.monotonic()
        fresh = moment - self.used < IDLE_SECONDS and moment - self.made < KEPT_SECONDS
        return fresh and super().is_connected  # type: ignore[misc]


class _Http(_AsIs, HTTPConnection):
    pass


class _Https(_AsIs, HTTPSConnection):
    pass


class Upstream:
    """One service: the connections to it that are kept, and what holds others back from it."""

    def __init__(self, name: str, url: str, settings: Settings) -> None:
        self.name, self.url, self._settings = name, url, settings
        self._breaker = Breaker(name, settings.upstream_connections)
        self._pool = self._new_pool()

    def _new_pool(self) -> urllib3.HTTPConnectionPool:
        most = self._settings.upstream_connections
        pool = urllib3.connection_from_url(self.url, maxsize=most)
        pool.ConnectionCls = _Https if pool.scheme == "https" else _Http
        return pool

    def forward(self, row: Row) -> Response:
        """The answer of the service to the current request.

        Raises ServiceAway, ServiceSilent, ServiceBusy, and what reading the body raises.
        """
        with ExitStack() as place:
            try:
                place.enter_context(self._breaker.call(ServiceAway, ServiceSilent))
            except Refused as refused:
                raise self._busy(refused) from refused
            response = self._answer(row)
            if response.is_streamed:  # the place is taken until the last piece has passed
                response.call_on_close(place.pop_all().close)
            return response

    def _answer(self, row: Row) -> Response:
        try:
            return messages.answer(self._send(row))
        except (NewConnectionError, ConnectTimeoutError) as error:
            raise self._failed(ServiceAway, error, "cannot be reached") from error
        except ReadTimeoutError as error:
            raise self._failed(ServiceSilent, error, "did not answer in time") from error
        except HTTPError as error:
            if any(isinstance(cause, TimeoutError) for cause in error.args):  # took no body
                raise self._failed(ServiceSilent, error, "did not answer in time") from error
            raise self._failed(ServiceAway, error, "broke off") from error

    def close(self) -> None:
        """Close the connections that are kept."""
        self._pool.close()

    def _send(self, row: Row) -> urllib3.BaseHTTPResponse:
        content, framing = messages.body(row.body, self._settings.client_timeout)
        head = {**messages.headers(), **framing, ":path": messages.target()}
        try:
            return self._ask(self._pool, row, content, head)
        except ProtocolError:
            # A kept connection that the service has just closed. Only what is safe to do twice,
            # and can be sent twice, is; a POST never.
            if content is not None or request.method not in ("GET", "HEAD", "PUT", "DELETE"):
                raise
            return self._ask(self._new_pool(), row, None, head)

    def _ask(
        self,
        pool: urllib3.HTTPConnectionPool,
        row: Row,
        content: Iterator[bytes] | None,
        head: dict[str, str],
    ) -> urllib3.BaseHTTPResponse:
        seconds = row.seconds or self._settings.upstream_timeout
        return pool.urlopen(
            request.method,
            "/",  # see _AsIs
            body=content,
            headers=head,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=seconds),
            retries=False,
            redirect=False,
            chunked=content is not None and "Content-Length" not in head,
            preload_content=False,
            decode_content=False,
        )

    def _busy(self, refused: Refused) -> ServiceBusy:
        log.warning("upstream.refused", upstream=self.name, why=str(refused))
        return ServiceBusy(f"The service {self.name} {refused}.", refused.retry_after)

    def _failed(self, kind: type[Exception], error: Exception, what: str) -> Exception:
        log.warning("upstream.failed", upstream=self.name, problem=kind.__name__, error=repr(error))
        return kind(f"The service {self.name} {what}.")
