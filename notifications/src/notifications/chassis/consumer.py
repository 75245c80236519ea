"""The consumer: takes a service's events from the broker, one after the other, for its inbox."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from kombu import Connection, Message
from kombu.mixins import ConsumerMixin

from . import broker, tracing
from .inbox import Inbox
from .logs import log

PREFETCH = 20
RETRY_SECONDS = 1
PERSON_SECONDS = 10  # until it is looked again whether a person has removed what is in the way


class Consumer(ConsumerMixin):
    """Feeds the inbox from the broker, and stays connected."""

    def __init__(self, url: str, inbox: Inbox, stop: threading.Event) -> None:
        self.url, self.inbox, self.stop = url, inbox, stop
        self.connection = broker.connect(url, inbox.service)
        self.in_hand: deque[Message] = deque()  # PREFETCH at most: the broker sends no more
        self.connected = False
        self.problem = ""  # what keeps it from the broker, where only a person can help

    @property
    def should_stop(self) -> bool:  # type: ignore[override]
        return self.stop.is_set()

    def run_until_stopped(self) -> None:
        """Consume until `stop`, whatever the broker does."""
        while not self.should_stop:
            pause = RETRY_SECONDS
            try:
                self.run()
            except broker.DeclaredOtherwise as error:
                pause = PERSON_SECONDS
                if self.problem != str(error):  # said once, not at every try
                    self.problem = str(error)
                    log.error("consumer.refused", error=self.problem)
            except Exception as error:  # the edge: nothing may end the consumer but `stop`
                log.warning("consumer.interrupted", error=repr(error))
            self.connected = False
            self.stop.wait(pause)

    def get_consumers(self, consumer_class: Any, channel: Any) -> list[Any]:
        queue = broker.events_queue(self.url, self.inbox.service, self.inbox.handlers)
        try:
            if broker.is_rabbitmq(self.url):
                broker.dead_queue(self.inbox.service)(channel).declare()
            return [consumer_class([queue], on_message=self.on_message, prefetch_count=PREFETCH)]
        except Exception as error:
            # Kombu would try the same again at once, for ever: it takes a 406 for a lost connection
            if differs := broker.difference(error):
                raise differs from error
            raise

    def on_consume_ready(self, *_: Any, **__: Any) -> None:
        self.connected, self.problem = True, ""
        log.info("consumer.ready", queue=f"{self.inbox.service}.events")

    def on_connection_error(self, exc: Exception, interval: float) -> None:
        self.connected = False
        log.warning("consumer.disconnected", error=repr(exc), retry_in_s=interval)

    def establish_connection(self) -> Connection:
        """As Kombu's, but looks again every two seconds at most and not every thirty."""
        connection = self.create_connection()
        return connection.ensure_connection(
            self.on_connection_error, max_retries=1, interval_start=0.2, interval_max=2
        )

    def on_message(self, message: Message) -> None:
        self.in_hand.append(message)
        if len(self.in_hand) > 1:  # it came while one before it waits: each in its turn
            return
        try:
            while self.in_hand and not self.should_stop:
                self._handle(self.in_hand[0])
                self.in_hand.popleft()
        finally:
            self.in_hand.clear()  # those that are left come again

    def _handle(self, message: Message) -> None:
        body = message.body
        raw = body.encode() if isinstance(body, str) else bytes(body)
        while not self.should_stop:
            try:
                self.inbox.take(raw, message.headers.get(tracing.HEADER))
            except Exception as error:  # the database is away: keep the message and wait for it
                log.error("inbox.waiting", error=repr(error))
                self.stop.wait(RETRY_SECONDS)
                # Heartbeats that nobody reads end the connection, and all that is in hand counts as
                # delivered once more: 20 times, and RabbitMQ takes it for dead.
                broker.keep_alive(self.url, message.channel.connection.client)
            else:
                message.ack()
                return
