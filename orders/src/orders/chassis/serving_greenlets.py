"""A web process whose requests wait in greenlets: how it stops, whose turn it is, what it sends."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import Any, NamedTuple

import gevent
from gevent.event import Event
from gevent.local import local
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.http import wsgi
from gunicorn.workers.ggevent import GeventWorker

KEPT_SECONDS = 2  # that connections without a request live on, once the process is told to stop
PIECE = 64 * 1024  # bytes of an answer,
PIECE_SECONDS = 30.0  # and how long a client may take for them


class _Port(NamedTuple):
    """What is asked of a listening socket at each new connection, when it may be shut already."""

    address: Any

    def getsockname(self) -> Any:
        return self.address


class _Gathered(list[bytes]):
    """Takes what is sent, as a socket does."""

    sendall = list.append


class _Answer(wsgi.Response):
    """gunicorn's, but head and body leave together: each packet costs both ends."""

    def write(self, arg: bytes) -> None:
        wire, self.sock = self.sock, _Gathered()
        try:
            super().write(arg)
            _send(wire, b"".join(self.sock))
        finally:
            self.sock = wire


def _send(wire: socket.socket, answer: bytes) -> None:
    """To a client that may be slow, but not as slow as it likes: gunicorn would wait for ever."""
    wire.settimeout(PIECE_SECONDS)
    try:
        for at in range(0, len(answer), PIECE):
            wire.sendall(answer[at : at + PIECE])
    except TimeoutError as error:
        raise BrokenPipeError(errno.EPIPE, "the client takes nothing") from error
    finally:
        wire.settimeout(None)


class Worker(GeventWorker):
    """gunicorn's worker with greenlets, which shuts its port when it is told to stop.

    gunicorn's own looks once a second whether it was told, drops those who are in the queue of
    connections, and waits at the end for clients that ask nothing more.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._told, self._mine = Event(), local()
        self._resting: set[socket.socket] = set()  # the connections without a request

    def run(self) -> None:
        wsgi.Response = _Answer  # gunicorn offers no hook for it
        pool = Pool(self.worker_connections)
        servers = []
        for listener in self.sockets:
            handle = partial(self.handle, _Port(listener.getsockname()))
            servers.append(StreamServer(listener, handle, spawn=pool))
            servers[-1].max_accept = 1  # the other workers take theirs
            servers[-1].start()
        while self.alive:
            self.notify()
            self._told.wait(1)
        gevent.spawn_later(KEPT_SECONDS, self._end_resting)
        for server in servers:
            self._shut(server)
        deadline = time.monotonic() + self.cfg.graceful_timeout
        while pool and time.monotonic() < deadline:
            self.notify()
            pool.join(1)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._told.set()

    def handle(self, listener: _Port, client: socket.socket, addr: object) -> None:
        self._mine.client = client
        super().handle(listener, client, addr)

    @contextmanager
    def timeout_ctx(self) -> Iterator[None]:
        """Around the wait for the next request of a connection."""
        gevent.idle(2)  # the others' turn, once a round, even if this one has asked again already
        client = self._mine.client
        self._resting.add(client)
        try:
            with gevent.Timeout(self.cfg.keepalive if self.alive else KEPT_SECONDS, False):
                yield
        finally:
            self._resting.discard(client)

    def _shut(self, server: StreamServer) -> None:
        with suppress(OSError):
            while come := server.do_read():  # those who are connected already are let in first
                server.do_handle(*come)
        server.close()

    def _end_resting(self) -> None:
        for client in self._resting:
            # Its end is read as if the client had gone; in gevent only a copy can be shut so.
            with suppress(OSError), client.dup() as copy:
                copy.shutdown(socket.SHUT_RD)
