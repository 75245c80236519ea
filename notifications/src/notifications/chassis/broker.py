"""The broker: RabbitMQ, or on a laptop a Redis. The only file that asks which one it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from kombu import Connection, Exchange, Queue, binding

EXCHANGE = Exchange("shop", "topic", durable=True)
# After two of these each side takes a silent connection for dead. What a worker had in hand when a
# cable was pulled comes again only then: with 30 it took more than a minute.
HEARTBEAT_SECONDS = 10
RESEND_SECONDS = 30  # on redis: a message can be lost with a killed consumer, so each goes twice

_DIFFERS = re.compile(r"inequivalent arg '([^']+)' for (queue|exchange) '([^']+)'")


class DeclaredOtherwise(Exception):
    """RabbitMQ has a queue or exchange with other arguments; the text says what to do."""


def is_rabbitmq(url: str) -> bool:
    """Whether the broker confirms, returns and keeps messages as RabbitMQ does."""
    return url.startswith(("amqp://", "amqps://"))


def connect(url: str, service: str) -> Connection:
    """A connection, not yet opened, with what its transport needs."""
    if is_rabbitmq(url):
        options: dict[str, Any] = {"confirm_publish": True}
        return Connection(
            url, heartbeat=HEARTBEAT_SECONDS, connect_timeout=5, transport_options=options
        )
    options = {
        # Kombu's defaults are one hash for everybody: one service's ack deletes another's message
        "unacked_key": f"{service}.unacked",
        "unacked_index_key": f"{service}.unacked.index",
        "unacked_mutex_key": f"{service}.unacked.mutex",
        "visibility_timeout": 60,
        "unacked_restore_throttle": 1,
        "socket_keepalive": True,
    }
    return Connection(url, connect_timeout=5, transport_options=options)


def events_queue(url: str, service: str, types: Iterable[str]) -> Queue:
    """The queue of everything `service` hears, bound to each event type."""
    arguments = None
    if is_rabbitmq(url):
        arguments = {
            "x-queue-type": "quorum",
            "x-delivery-limit": 20,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": f"{service}.dead",
            "x-overflow": "reject-publish",
        }
    return Queue(
        f"{service}.events",
        bindings=[binding(EXCHANGE, routing_key=kind) for kind in types],
        durable=True,
        queue_arguments=arguments,
    )


def difference(error: Exception) -> DeclaredOtherwise | None:
    """What to tell a person when RabbitMQ refused a declaration (406); None for all else."""
    found = _DIFFERS.search(str(error)) if getattr(error, "code", None) == 406 else None
    if not found:
        return None
    argument, kind, name = found.groups()
    way_out = (
        f"empty it with the version before, then run: rabbitmqctl delete_queue {name}"
        if kind == "queue"
        else f"stop the services, then run: rabbitmqadmin delete exchange name={name}"
    )
    return DeclaredOtherwise(
        f"RabbitMQ has the {kind} {name} with another {argument} than this version: {way_out}"
    )


def keep_alive(url: str, connection: Connection) -> None:
    """Answer the broker's heartbeats, and raise if it is gone. To be called every few seconds."""
    if is_rabbitmq(url):
        with suppress(TimeoutError):
            connection.drain_events(timeout=0.001)  # heartbeats count only when they are read
        connection.heartbeat_check()
    else:  # not by the channel's own client: a consumer's waits for messages in its own way
        with connection.default_channel.conn_or_acquire() as client:
            client.ping()


def dead_queue(service: str) -> Queue:
    """The backstop: where RabbitMQ puts what was delivered too often and could not be parked."""
    return Queue(
        f"{service}.dead",
        exchange=Exchange(""),
        routing_key=f"{service}.dead",
        durable=True,
        queue_arguments={"x-queue-type": "quorum"},
    )
