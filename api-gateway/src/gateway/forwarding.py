"""Takes requests to a service, over connections that are kept, and says why it could not."""

from __future__ import annotations

from collections.abc import Mapping

from werkzeug.exceptions import RequestHeaderFieldsTooLarge

from . import messages
from .chassis.breaker import Breaker, Refused
from .chassis.logs import log
from .connections import Answer, Broken, Connections, Silent, Unanswered, Unreachable
from .messages import Call, Reply
from .settings import Settings

REPEATABLE = {"GET", "HEAD", "PUT", "DELETE"}  # without harm; a POST is never sent twice
LONGEST_FIELD = 8190  # bytes; services take no longer ones, and fields sent twice come as one


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


class Upstream:
    """One service: the connections to it that are kept, and what holds others back from it."""

    def __init__(self, name: str, url: str, settings: Settings) -> None:
        self.name, self._settings = name, settings
        self._breaker = Breaker(name, settings.upstream_connections)
        self._connections = Connections(url, settings.upstream_connections)

    def forward(self, call: Call) -> Reply:
        """The answer of the service to a call; to one that is shared, what all get.

        Raises ServiceAway, ServiceSilent, ServiceBusy, and RequestHeaderFieldsTooLarge.
        """
        try:
            with self._breaker.call(ServiceAway, ServiceSilent):
                return self._reply(call)
        except Refused as refused:
            raise self._busy(refused) from refused

    def _reply(self, call: Call) -> Reply:
        try:
            return messages.reply(self._send(call))
        except Unreachable as error:
            raise self._failed(ServiceAway, error, "cannot be reached") from error
        except Silent as error:
            raise self._failed(ServiceSilent, error, "did not answer in time") from error
        except Broken as error:
            raise self._failed(ServiceAway, error, "broke off") from error

    def close(self) -> None:
        """Close the connections that are kept."""
        self._connections.close()

    def _send(self, call: Call) -> Answer:
        if call.row.shared:
            method, head, body = "GET", call.headers_for_all(), b""
        else:
            method, head, body = call.method, call.headers(), call.body or b""
        if max(map(len, head.values())) > LONGEST_FIELD:
            raise RequestHeaderFieldsTooLarge
        seconds = call.row.seconds or self._settings.upstream_timeout
        asked = method, call.target(), head, body, seconds
        try:
            return self._connections.ask(*asked)
        except Unanswered:
            if method not in REPEATABLE:
                raise
            return self._connections.ask(*asked, fresh=True)

    def _busy(self, refused: Refused) -> ServiceBusy:
        log.warning("upstream.refused", upstream=self.name, why=str(refused))
        return ServiceBusy(f"The service {self.name} {refused}.", refused.retry_after)

    def _failed(self, kind: type[Exception], error: Exception, what: str) -> Exception:
        log.warning("upstream.failed", upstream=self.name, problem=kind.__name__, error=repr(error))
        return kind(f"The service {self.name} {what}.")
