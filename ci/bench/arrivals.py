"""Load that comes at its own pace, whether or not what came before is answered.

A closed loop (so many clients, each waiting for its answer) asks less as soon as the server is
slow, and so never shows an overload. Here every request has a moment at which it is due, and its
time counts from that moment.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from load import Target

GIVEN_UP = 10.0  # seconds after which a request counts as never answered


@dataclass(frozen=True)
class Answer:
    """What came of one request; a status of 0 is a connection that broke, or no answer in time."""

    due: float  # seconds from the begin of its phase
    took: float  # seconds from then on
    status: int
    retry_after: bool


@dataclass
class Clients:
    """Kept connections to one server: as many as there are requests under way."""

    target: Target
    idle: list[_Connection] = field(default_factory=list)

    def __post_init__(self) -> None:
        host = urlsplit(self.target.url)
        self.host, self.port = host.hostname, host.port
        heads = (
            f"GET {path} HTTP/1.1\r\nHost: {host.netloc}\r\n"
            f"Authorization: Bearer {self.target.token}\r\n\r\n"
            for path in self.target.paths
        )
        self.requests = itertools.cycle([head.encode() for head in heads])

    async def ask(self) -> tuple[int, bool]:
        """The status of an answer, and whether it said when to come back."""
        try:
            async with asyncio.timeout(GIVEN_UP):
                connection = self.idle.pop() if self.idle else await self._connect()
                found = await connection.ask(next(self.requests))
        except (OSError, TimeoutError):
            return 0, False
        if connection.is_open:
            self.idle.append(connection)
        return found

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(_Connection, self.host, self.port))[1]


class _Connection(asyncio.Protocol):
    """One request at a time; reads no more of an answer than this needs to know."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.is_open = transport, True
        self.data = b""
        self.answer: asyncio.Future[tuple[int, bool]] | None = None

    def ask(self, request: bytes) -> Awaitable[tuple[int, bool]]:
        if not self.is_open:
            raise ConnectionResetError
        self.data = b""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.answer

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, found, body = self.data.partition(b"\r\n\r\n")
        if not found or self.answer is None:
            return
        lines = head.lower().split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines[1:])
        if len(body) < int(fields[b"content-length"]):
            return
        if fields.get(b"connection") == b"close":
            self.close()
        if not self.answer.done():
            self.answer.set_result((int(lines[0].split()[1]), b"retry-after" in fields))

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        if self.answer and not self.answer.done():
            self.answer.set_exception(ConnectionResetError())

    def close(self) -> None:
        self.is_open = False
        self.transport.close()


async def at_rate(clients: Clients, rate: float, seconds: float) -> list[Answer]:
    """Ask so many times a second, evenly; the answers."""
    loop = asyncio.get_running_loop()
    answers: list[Answer] = []
    start = loop.time()

    async def one(due: float) -> None:
        status, retry_after = await clients.ask()
        answers.append(Answer(due, loop.time() - start - due, status, retry_after))

    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            due = number / rate
            if (early := start + due - loop.time()) > 0:
                await asyncio.sleep(early)
            group.create_task(one(due))
    return answers
