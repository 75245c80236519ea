"""A listener on every event of the shop, which can tell them again: often, late, out of order."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from kombu import Connection, Exchange, Message, Producer, Queue
from kombu.exceptions import OperationalError

EXCHANGE = Exchange("shop", "topic", durable=True)
MEDIA_TYPE = "application/cloudevents+json"
CONFIRM = {"confirm_publish": True}
Answer = TypeVar("Answer")
_known = Connection("amqp://")
# Refused, dropped, or asked for a queue that is still being brought up again.
AWAY = (
    OperationalError,
    *_known.recoverable_connection_errors,
    *_known.recoverable_channel_errors,
)


class Tap:
    """Knows every event that was ever published, each once. Goes straight to the broker."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._events: dict[str, dict] = {}
        self._ready, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        if not self._ready.wait(30):
            raise SystemExit("the tap cannot reach the broker")

    def events(self, *kinds: str) -> list[dict]:
        """Those seen so far, oldest first; of some types, or all."""
        seen = list(self._events.values())
        return [event for event in seen if not kinds or event["type"] in kinds]

    def publish(self, events: list[dict], queue: str | None = None) -> None:
        """Tell events (again), to all listeners or straight into one queue."""
        self._insist(lambda connection: self._publish(connection, events, queue))

    def waiting(self, queues: list[str]) -> dict[str, int]:
        """How many messages of each queue nobody has been given yet."""

        def count(connection: Connection) -> dict[str, int]:
            there = {name: Queue(name, channel=connection.default_channel) for name in queues}
            declared = {name: queue.queue_declare(passive=True) for name, queue in there.items()}
            return {name: queue.message_count for name, queue in declared.items()}

        return self._insist(count)

    def hold_back(self, queue: str, seconds: float) -> None:
        """Compete for the messages of a queue, and give them back late, newest first."""
        held: list[Message] = []
        with suppress(*AWAY), Connection(self.url) as connection:
            channel = connection.channel()
            channel.basic_qos(0, 20, False)
            there = Queue(queue, no_declare=True)
            consumer = connection.Consumer([there], channel=channel, on_message=held.append)
            with consumer:
                deadline = time.monotonic() + seconds
                while (left := deadline - time.monotonic()) > 0:
                    with suppress(TimeoutError):
                        connection.drain_events(timeout=left)
            for message in reversed(held):
                message.requeue()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def _insist(self, do: Callable[[Connection], Answer]) -> Answer:
        """What it answers; done again while the broker is away."""
        deadline = time.monotonic() + 60
        while True:
            try:
                with Connection(self.url, transport_options=CONFIRM) as connection:
                    return do(connection)
            except AWAY:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)

    @staticmethod
    def _publish(connection: Connection, events: list[dict], queue: str | None) -> None:
        producer = Producer(connection)
        for event in events:
            producer.publish(
                json.dumps(event).encode(),
                exchange="" if queue else EXCHANGE,
                routing_key=queue or event["type"],
                message_id=event["id"],
                content_type=MEDIA_TYPE,
                content_encoding="utf-8",
                delivery_mode=2,
            )

    def _listen(self) -> None:
        # it outlives a restart of the broker, and is forgotten a while after the chaos
        queue = Queue(f"chaos.{uuid.uuid4().hex}", EXCHANGE, "#", durable=True, expires=600)
        while not self._stop.is_set():
            try:
                with Connection(self.url) as connection:
                    with connection.Consumer([queue], on_message=self._hear):
                        self._ready.set()
                        self._drain(connection)
            except AWAY:
                self._stop.wait(0.3)

    def _drain(self, connection: Connection) -> None:
        while not self._stop.is_set():
            try:
                connection.drain_events(timeout=0.5)
            except TimeoutError:
                continue

    def _hear(self, message: Message) -> None:
        body = message.body
        event = json.loads(body if isinstance(body, str) else bytes(body))
        self._events.setdefault(event["id"], event)
        message.ack()
