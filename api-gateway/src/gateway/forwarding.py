"""Takes requests to a service, over connections that are kept, and says why it could not."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from werkzeug.wsgi import ClosingIterator

from . import messages
from .chassis.breaker import Breaker, Refused
from .chassis.logs import log
from .connections import Answer, Broken, Connections, Silent, Unanswered, Unreachable
from .messages import Call, Reply
from .settings import Settings

REPEATABLE = {"GET", "HEAD", "PUT", "DELETE"}  # without harm


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

        Raises ServiceAway, ServiceSilent, ServiceBusy, and what reading the body raises.
        """
        with ExitStack() as place:
            try:
                place.enter_context(self._breaker.call(ServiceAway, ServiceSilent))
            except Refused as refused:
                raise self._busy(refused) from refused
            reply = self._reply(call)
            if not reply.is_whole:  # the place is taken until the last piece has passed
                reply.body = ClosingIterator(reply.body, place.pop_all().close)
            return reply

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
        row = call.row
        if row.shared:
            method, head, content = "GET", call.headers_for_all(), None
        else:
            content, framing = call.body(row.body, self._settings.client_timeout)
            method, head = call.method, {**call.headers(), **framing}
        seconds = row.seconds or self._settings.upstream_timeout
        asked = method, call.target(), head, content, seconds
        try:
            return self._connections.ask(*asked)
        except Unanswered:
            # Only what is safe to do twice, and can be sent twice, is; a POST never.
            if content is not None or method not in REPEATABLE:
                raise
            return self._connections.ask(*asked, fresh=True)

    def _busy(self, refused: Refused) -> ServiceBusy:
        log.warning("upstream.refused", upstream=self.name, why=str(refused))
        return ServiceBusy(f"The service {self.name} {refused}.", refused.retry_after)

    def _failed(self, kind: type[Exception], error: Exception, what: str) -> Exception:
        log.warning("upstream.failed", upstream=self.name, problem=kind.__name__, error=repr(error))
        return kind(f"The service {self.name} {what}.")
