"""A listener on every event of the shop, which can tell them again: often, late, out of order."""

from __future__ import annotations

import json
import threading
import time
import uuid

from kombu import Connection, Exchange, Message, Producer, Queue

EXCHANGE = Exchange("shop", "topic", durable=True)
MEDIA_TYPE = "application/cloudevents+json"


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
        with Connection(self.url, transport_options={"confirm_publish": True}) as connection:
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

    def waiting(self, queue: str) -> int:
        """How many messages nobody has been given yet."""
        with Connection(self.url) as connection:
            found = Queue(queue, channel=connection.default_channel).queue_declare(passive=True)
            return found.message_count

    def hold_back(self, queue: str, seconds: float) -> None:
        """Compete for the messages of a queue, and give them back late, newest first."""
        held: list[Message] = []
        with Connection(self.url) as connection:
            channel = connection.channel()
            channel.basic_qos(0, 20, False)
            consumer = connection.Consumer(
                [Queue(queue, no_declare=True)], channel=channel, on_message=held.append
            )
            with consumer:
                deadline = time.monotonic() + seconds
                while (left := deadline - time.monotonic()) > 0:
                    try:
                        connection.drain_events(timeout=left)
                    except TimeoutError:
                        break
            for message in reversed(held):
                message.requeue()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def _listen(self) -> None:
        queue = Queue(f"chaos.{uuid.uuid4().hex}", EXCHANGE, "#", durable=False, exclusive=True)
        with Connection(self.url) as connection:
            with connection.Consumer([queue], no_ack=True, on_message=self._hear):
                self._ready.set()
                while not self._stop.is_set():
                    try:
                        connection.drain_events(timeout=0.5)
                    except TimeoutError:
                        continue

    def _hear(self, message: Message) -> None:
        event = json.loads(
            bytes(message.body) if not isinstance(message.body, str) else message.body
        )
        self._events.setdefault(event["id"], event)
