"""HTTP/1.1 with one service, over connections that are kept; answers come as they are.

The parser is llhttp, that of Node.js (httptools). All else a client library does for its callers,
such as redirects, cookies and decoding, would only have to be undone here.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

CONNECT_SECONDS = 2.0
# After so long a rest a kept connection is not used again: a service that stops lets it be for two
# seconds more (gunicorn's STOP_KEEPALIVE_LINGER), and what is sent into a closing one is lost.
IDLE_SECONDS = 1.0
KEPT_SECONDS = 60.0  # nor is it at this age, so that a copy of the service that came later has work
PIECE = 64 * 1024  # bytes that are taken at once
LONGEST = 8 << 20  # bytes of an answer: a hundred orders of fifty items may be 5 MB


class Unreachable(Exception):
    """No connection to the service can be made."""


class Silent(Exception):
    """The service neither takes nor sends anything in time."""


class Broken(Exception):
    """The connection ended too early, or what came is no HTTP."""


class Unanswered(Broken):
    """A kept connection ended without an answer: it was closed while the request was under way."""


class Connections:
    """The connections to the service at a URL; at most `most` are kept for the next requests."""

    def __init__(self, url: str, most: int) -> None:
        parts = urlsplit(url)
        self._name, self._host, self._tls = parts.netloc, parts.hostname or "", None
        if parts.scheme == "https":
            self._tls = ssl.create_default_context()
        self._port = parts.port or (443 if self._tls else 80)
        self._kept: deque[_Connection] = deque(maxlen=most)

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        seconds: float,
        *,
        fresh: bool = False,
    ) -> Answer:
        """The answer, whole. `seconds` of silence are waited for.

        Raises Unreachable, Silent, and Broken, also for an answer of more bytes than LONGEST;
        `fresh` takes no kept connection.
        """
        connection = (None if fresh else self._take()) or self._connect()
        try:
            connection.socket.settimeout(seconds)
            head = _head(method, target, {"Host": self._name, **headers})
            with suppress(Broken):  # it may have heard enough: then its answer says so
                connection.send(head + body)
            answer = Answer(connection, method)
        except BaseException as error:
            connection.socket.close()
            if isinstance(error, Broken) and connection.was_kept and not connection.heard:
                raise Unanswered(str(error)) from error
            raise
        if answer.leaves_open:
            self._keep(connection)
        else:
            connection.socket.close()
        return answer

    def close(self) -> None:
        """Close the connections that are kept."""
        while self._kept:
            self._kept.pop().socket.close()

    def _keep(self, connection: _Connection) -> None:
        connection.rested = time.monotonic()
        connection.was_kept, connection.heard = True, False
        if len(self._kept) == self._kept.maxlen:
            connection.socket.close()
        else:
            self._kept.append(connection)

    def _take(self) -> _Connection | None:
        while True:
            try:
                connection = self._kept.pop()  # the one used last
            except IndexError:
                return None
            if connection.is_fresh():
                return connection
            connection.socket.close()

    def _connect(self) -> _Connection:
        try:
            made = socket.create_connection((self._host, self._port), CONNECT_SECONDS)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                made = self._tls.wrap_socket(made, server_hostname=self._host)
        except OSError as error:
            raise Unreachable(repr(error)) from error
        return _Connection(made)


class _Connection:
    """A socket to a service, and what is known of it."""

    was_kept = heard = False  # whether it had another request before; and an answer to this one

    def __init__(self, made: socket.socket) -> None:
        self.socket = made
        self.made = self.rested = time.monotonic()

    def is_fresh(self) -> bool:
        moment = time.monotonic()
        if moment - self.rested >= IDLE_SECONDS or moment - self.made >= KEPT_SECONDS:
            return False
        self.socket.settimeout(0)
        try:
            self.socket.recv(1)  # nothing may have come, not even the end
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except TimeoutError as error:
            raise Silent("takes no request") from error
        except OSError as error:
            raise Broken(repr(error)) from error

    def receive(self) -> bytes:
        try:
            data = self.socket.recv(PIECE)
        except TimeoutError as error:
            raise Silent("sends no answer") from error
        except OSError as error:
            raise Broken(repr(error)) from error
        self.heard = self.heard or bool(data)
        return data


class Answer:
    """What a service answers, whole: status, reason, headers, body."""

    status: int

    def __init__(self, connection: _Connection, method: str) -> None:
        self._connection, self._method = connection, method
        self._parser = HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._come = 0  # bytes of the body
        self._begin()
        while not self._whole:
            self._feed()
        self.body = b"".join(self._pieces)

    def _begin(self) -> None:
        self.reason, self.headers, self._headed, self._whole = "", [], False, False

    def _feed(self) -> None:
        data = self._connection.receive()
        if not data:
            if not self._headed or self._length is not None or self._chunked:
                raise Broken("ended too early")
            self._whole, self.leaves_open = True, False  # this body ends with the connection
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            raise Broken(repr(error)) from error
        if self._come > LONGEST:
            raise Broken("answers more than can be held")

    # ---- what the parser calls ----

    def on_status(self, reason: bytes) -> None:
        self.reason += reason.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:
            return  # only news: the answer is still to come
        told = {name.lower(): value for name, value in self.headers}
        self._chunked = "chunked" in told.get("transfer-encoding", "").lower()
        self.leaves_open = self._parser.should_keep_alive()
        length = told.get("content-length")
        self._length = int(length) if length is not None and not self._chunked else None
        self._headed = True
        if self._method == "HEAD" or self.status in (204, 304):
            self._length, self._whole = 0, True

    def on_body(self, piece: bytes) -> None:
        if not (self._whole or self._length == 0):
            self._pieces.append(piece)
            self._come += len(piece)

    def on_message_begin(self) -> None:
        if self._headed:
            raise Broken("told more than it was asked")

    def on_message_complete(self) -> None:
        if self._headed:
            self._whole = True
        else:
            self._begin()


def _head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    head = f"{method} {target} HTTP/1.1\r\n"
    head += "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    lines = len(headers) + 1
    if head.count("\n") != lines or head.count("\r") != lines or "\0" in head:
        raise ValueError("a header would end before its time")
    return f"{head}\r\n".encode("latin-1")
