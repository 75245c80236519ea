"""Doors between the shop and its broker and cache: TCP ports that can be shut, cut and deafened."""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit, urlunsplit


class Door:
    """A port of this machine that leads to a server, while it is open."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.port = 0  # any that is free, then always that one
        self._server = (parts.hostname or "127.0.0.1", parts.port or 5672)
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self.deaf = False  # what the server answers is thrown away
        self.mute = False  # what the server is told is thrown away
        self.open()
        login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        self.url = urlunsplit(parts._replace(netloc=f"{login}127.0.0.1:{self.port}"))

    def open(self) -> None:
        """Let everybody through (again)."""
        self.deaf = self.mute = False
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=100)
            self.port = self._listener.getsockname()[1]
            threading.Thread(target=self._welcome, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """As if the server were gone: connections drop, and new ones are refused."""
        if self._listener is not None:
            # shutdown wakes the thread in accept(); close alone would leave the port open
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        """Drop every connection; new ones are welcome."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            self._drop(pair)

    def _welcome(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._server, timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            if self._listener is not listener:  # shut in between
                self._drop(pair)
                continue
            for source, target in (pair, pair[::-1]):
                threading.Thread(
                    target=self._carry, args=(source, target, pair), daemon=True
                ).start()

    def _carry(
        self, source: socket.socket, target: socket.socket, pair: tuple[socket.socket, ...]
    ) -> None:
        try:
            while data := source.recv(65536):
                if not (self.deaf if source is pair[1] else self.mute):
                    target.sendall(data)
        except OSError:
            pass
        self._drop(pair)

    def _drop(self, pair: tuple[socket.socket, ...]) -> None:
        with self._lock:
            self._pairs.discard(pair)
        for end in pair:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
