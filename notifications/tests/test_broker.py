"""Events on their way from one service to another, on each kind of broker.

The chassis proves itself here: what is stored is told, what is told is handled, and nothing that
breaks in between loses an event.
"""

from __future__ import annotations

import contextlib
import functools
import json
import select
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock
from urllib.parse import urlsplit

import mongoengine as me
import pytest
import redis
from amqp.exceptions import NotFound, PreconditionFailed
from flask import Flask
from kombu import Exchange, Queue
from pymongo.collection import Collection
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError
from structlog.testing import capture_logs

from conftest import NOWHERE, forget_queues, free_port, publish_to, wait_until
from notifications.chassis import broker, consumer, health, process, relay, wake
from notifications.chassis.consumer import Consumer
from notifications.chassis.inbox import Inbox
from notifications.chassis.outbox import OutboxDocument, entry, new_event
from notifications.chassis.parking import ParkedEvent, redrive
from notifications.chassis.relay import Relay

ANYTHING = {"type": "object"}
ON_RABBITMQ = pytest.mark.parametrize(
    "broker_url", [pytest.param("rabbitmq", marks=pytest.mark.real)], indirect=True
)


class Parcel(OutboxDocument):
    """A thing of a made-up service, which tells what happens to it."""

    id = me.StringField(primary_key=True)
    meta = {"collection": "parcels"}


class Door:
    """A way to a server that can be shut: what passes is cut, who comes is refused."""

    def __init__(self, url: str) -> None:
        self.there = urlsplit(url)
        self.port = free_port()
        where = self.there.netloc.replace(str(self.there.port), str(self.port))
        self.url = self.there._replace(netloc=where).geturl()
        self.listener: socket.socket | None = None
        self.ways: list[socket.socket] = []

    def open(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._admit, args=(self.listener,), daemon=True).start()

    def shut(self) -> None:
        if self.listener:
            for end in (self.listener, *self.ways):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self.listener, self.ways = None, []

    def _admit(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                inner, _ = listener.accept()
                outer = socket.create_connection((self.there.hostname, self.there.port))
                self.ways += [inner, outer]
                threading.Thread(target=self._pass, args=(inner, outer), daemon=True).start()

    def _pass(self, inner: socket.socket, outer: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                for end in select.select([inner, outer], [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        raise OSError
                    (outer if end is inner else inner).sendall(data)
        for end in (inner, outer):
            end.close()


class Post:
    """A made-up service: `send` stores a parcel that tells of itself, `got` is what was heard."""

    def __init__(self, url: str, name: str) -> None:
        self.url, self.name = url, name
        self.sent, self.lost = f"{name}.sent", f"{name}.lost"
        self.got: list[dict[str, Any]] = []
        self.handler: Callable[[dict[str, Any]], None] = self.got.append
        self.relay: Relay
        self.inbox: Inbox

    def send(self, kind: str | None = None, **data: Any) -> dict[str, Any]:
        pk = str(uuid.uuid4())
        event = new_event("post", kind or self.sent, pk, 1, data)
        Parcel(id=pk, outbox=[entry(event)]).save()
        return event

    def got_ids(self) -> set[str]:
        return {event["id"] for event in self.got}

    @contextlib.contextmanager
    def at_work(
        self, hears: bool = True, must_be_heard: tuple[str, ...] = (), cache_url: str = NOWHERE
    ) -> Iterator[None]:
        """The worker of this service, in a thread; what it has in hand is finished at the end."""
        self.relay = Relay(self.url, self.name, [Parcel], frozenset(must_be_heard))
        handlers = {self.sent: lambda event: self.handler(event)}
        self.inbox = Inbox(self.name, handlers, {self.sent: ANYTHING}, (0.01, 0.01))
        stop = threading.Event()
        inbox = self.inbox if hears else None
        worker = threading.Thread(
            target=process.run,
            kwargs={"relay": self.relay, "cache_url": cache_url, "inbox": inbox, "stop": stop},
        )
        worker.start()
        try:
            yield
        finally:
            stop.set()
            worker.join(20)
            assert not worker.is_alive(), "did not stop"


def is_connected() -> bool:
    return health.WorkerBeat.objects(id=health.worker_id(), broker=True).count() == 1


@pytest.fixture(autouse=True)
def _no_parcels(app) -> None:
    Parcel.objects.delete()


@pytest.fixture(autouse=True)
def _hurry(monkeypatch) -> None:
    """These tests start and stop many workers: they look and leave sooner than others."""
    monkeypatch.setattr(relay, "POLL_SECONDS", 0.05)
    sooner = functools.partialmethod(Consumer.consume, safety_interval=0.1)
    monkeypatch.setattr(Consumer, "consume", sooner)


@pytest.fixture
def name() -> str:
    return f"post-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def post(broker_url, name, monkeypatch) -> Iterator[Post]:
    """On an exchange of its own, which nobody has declared before."""
    monkeypatch.setattr(broker, "EXCHANGE", Exchange(name, "topic", durable=True))
    yield Post(broker_url, name)
    forget_queues(broker_url, name)
    with broker.connect(broker_url, name) as connection:
        broker.EXCHANGE(connection.default_channel).delete()


@pytest.fixture
def door(broker_url) -> Iterator[Door]:
    """The only way to the broker for those who take it; at first shut."""
    door = Door(broker_url)
    yield door
    door.shut()


def test_what_one_service_stores_another_handles(post):
    with post.at_work():
        wait_until(is_connected)
        event = post.send(words="grüße 🐌")
        wait_until(lambda: post.got)
    assert post.got == [event]


def test_what_has_left_is_taken_out_of_the_outbox(post, monkeypatch):
    monkeypatch.setattr(broker, "RESEND_SECONDS", 0.01)  # on redis:// each goes twice
    with post.at_work():
        wait_until(is_connected)
        post.send()
        wait_until(lambda: Parcel.objects(outbox__0__exists=True).count() == 0)
        wait_until(lambda: len(post.got) == (1 if broker.is_rabbitmq(post.url) else 2))
    assert len(post.got_ids()) == 1


def test_the_facts_of_one_document_arrive_in_their_order(post):
    with post.at_work():
        wait_until(is_connected)
        pk = str(uuid.uuid4())
        told = [new_event("post", post.sent, pk, n, {}) for n in range(1, 31)]
        Parcel(id=pk, outbox=[entry(event) for event in told]).save()
        wait_until(lambda: len(post.got) == 30)
    assert [event["sequence"] for event in post.got] == list(range(1, 31))


def test_a_database_that_refuses_writes_does_not_have_everything_published_again(post, monkeypatch):
    """As when its disk is full: what was published cannot be taken out."""
    write, refuses = Collection.bulk_write, threading.Event()

    def write_or_refuse(collection: Collection, *args: Any, **options: Any) -> Any:
        if refuses.is_set():
            raise OperationFailure("out of disk space", 14031)
        return write(collection, *args, **options)

    monkeypatch.setattr(Collection, "bulk_write", write_or_refuse)
    with capture_logs() as said, post.at_work():

        def lines(what: str) -> int:
            return sum(line["event"] == what for line in said)

        wait_until(is_connected)
        refuses.set()
        events = [new_event("post", post.sent, str(n), 1, {}) for n in range(20)]
        Parcel.objects.insert([Parcel(id=each["id"], outbox=[entry(each)]) for each in events])
        wait_until(lambda: lines("relay.interrupted") >= 4)
        tries, published = lines("relay.interrupted"), lines("event.published")
        refuses.clear()
        wait_until(lambda: post.got_ids() == {event["id"] for event in events})
    assert published <= len(events) + tries


def test_an_event_nobody_hears_leaves_if_nobody_must(post):
    with post.at_work(hears=False):
        post.send(post.lost)
        left = {"outbox__0__sent": True} if post.url.startswith("redis") else {"outbox": []}
        wait_until(lambda: Parcel.objects(**left).count())


@ON_RABBITMQ
def test_an_event_that_must_be_heard_waits_for_its_listener(post, monkeypatch):
    monkeypatch.setattr(relay, "UNHEARD_SECONDS", 0.1)
    with post.at_work(hears=False, must_be_heard=(post.sent,)):
        event = post.send()
        entered = Parcel.objects.get().outbox[0]["due"]
        wait_until(lambda: Parcel.objects.get().outbox[0]["due"] > entered)  # it was tried
    with post.at_work(must_be_heard=(post.sent,)):
        wait_until(lambda: post.got)
    assert post.got == [event]


def test_waits_for_a_broker_that_is_away_at_the_start(post, door):
    post.url = door.url
    event = post.send()
    with post.at_work():
        wait_until(lambda: health.WorkerBeat.objects(id=health.worker_id()).count())
        assert not is_connected()
        door.open()
        wait_until(is_connected)
        wait_until(lambda: post.got)
    assert post.got_ids() == {event["id"]}


@ON_RABBITMQ
def test_a_queue_with_other_arguments_is_told_with_the_way_out(post, client, monkeypatch):
    """As after an update that changed them: a person reads what to do, and does it."""
    tries: list[Exception] = []
    find = broker.difference
    monkeypatch.setattr(broker, "difference", lambda error: tries.append(error) or find(error))
    monkeypatch.setattr(consumer, "PERSON_SECONDS", 0.05)
    monkeypatch.setattr(relay, "UNHEARD_SECONDS", 0.1)
    queue = f"{post.name}.events"
    with capture_logs() as said, broker.connect(post.url, post.name) as connection:
        Queue(queue, durable=True)(connection.default_channel).declare()
        with post.at_work(must_be_heard=(post.sent,)):
            wait_until(lambda: len(tries) > 2)
            wait_until(lambda: health.WorkerBeat.objects(problem__exists=True).count())
            found = client.get("/health/ready").json["checks"]["broker"]
            assert found["status"] == "degraded"
            assert found["detail"].startswith(f"not connected: RabbitMQ has the queue {queue} with")
            assert found["detail"].endswith(f"rabbitmqctl delete_queue {queue}")
            event = post.send()
            Queue(queue)(connection.default_channel).delete()  # what the sentence says
            wait_until(lambda: post.got)
            wait_until(is_connected)
            wait_until(lambda: health.WorkerBeat.objects(problem__exists=True).count() == 0)
    assert post.got == [event]
    refused = [line for line in said if line["event"] == "consumer.refused"]
    assert len(refused) == 1  # though it tried again and again


@pytest.mark.parametrize(
    "other",
    [
        NotFound("NOT_FOUND - no queue 'orders.events' in vhost '/'"),
        PreconditionFailed("PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out"),
        OSError("inequivalent arg 'x' for queue 'y'"),
    ],
)
def test_only_another_queue_is_for_a_person_to_solve(other):
    assert broker.difference(other) is None
    text = "inequivalent arg 'x-delivery-limit' for queue 'orders.events' in vhost '/': …"
    found = broker.difference(PreconditionFailed(f"PRECONDITION_FAILED - {text}"))
    assert "queue orders.events with another x-delivery-limit than" in str(found)
    text = "inequivalent arg 'type' for exchange 'shop' in vhost '/': received 'topic' but …"
    found = broker.difference(PreconditionFailed(f"PRECONDITION_FAILED - {text}"))
    assert str(found).endswith("rabbitmqadmin delete exchange name=shop")


def test_comes_back_to_a_broker_that_went_away(post, door):
    post.url = door.url
    door.open()
    with post.at_work():
        wait_until(is_connected)
        door.shut()
        wait_until(lambda: not is_connected())
        told = {post.send()["id"] for _ in range(5)}
        door.open()
        wait_until(is_connected)
        wait_until(lambda: post.got_ids() == told)


def test_notices_that_the_broker_is_away_though_it_has_nothing_to_say(post, door):
    post.url = door.url
    door.open()
    with post.at_work(hears=False):
        wait_until(is_connected)
        door.shut()
        wait_until(lambda: not is_connected())


def test_a_message_is_acknowledged_when_it_was_handled_and_not_before(name):
    post, message, acknowledged = Post(NOWHERE, name), Mock(), []
    message.headers = {}
    message.body = json.dumps(new_event("post", post.sent, "p", 1, {})).encode()
    inbox = Inbox(
        name, {post.sent: lambda _: acknowledged.append(message.ack.called)}, {post.sent: {}}, ()
    )
    Consumer(NOWHERE, inbox, threading.Event()).on_message(message)
    assert acknowledged == [False]
    assert message.ack.called


@ON_RABBITMQ  # on redis:// it comes again after a minute
def test_what_was_in_hand_when_the_connection_broke_comes_again(post, door):
    def break_once(event: dict[str, Any]) -> None:
        post.got.append(event)
        if len(post.got) == 1:
            door.shut()
            door.open()

    post.url, post.handler = door.url, break_once
    door.open()
    with post.at_work():
        wait_until(is_connected)
        event = post.send()
        wait_until(lambda: len(post.got) >= 2)
    assert post.got_ids() == {event["id"]}


def test_keeps_what_was_stored_while_no_worker_ran(post):
    with post.at_work():
        wait_until(is_connected)
    told = {post.send()["id"] for _ in range(5)}
    with post.at_work():
        wait_until(lambda: post.got_ids() == told)


@ON_RABBITMQ
def test_an_idle_relay_reads_the_heartbeats_of_the_broker(broker_url):
    with broker.connect(broker_url, "test") as connection:
        connection.heartbeat = 1  # seconds; the broker then sends one every half
        connection.connect()
        before = connection.connection.bytes_recv

        def heard() -> bool:
            broker.keep_alive(broker_url, connection)
            return connection.connection.bytes_recv > before

        wait_until(heard)


def test_told_to_stop_while_it_looks_after_its_threads_it_finds_nothing_wrong(post):
    """They may have ended between the end of its wait and its look at them."""

    class Late(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if threading.current_thread() is not threading.main_thread():
                return super().wait(timeout)
            if self.is_set():
                return True
            self.set()
            wait_until(lambda: not any("_repeat" in each.name for each in threading.enumerate()))
            return False

    process.run(
        relay=Relay(post.url, post.name, [Parcel], frozenset()), cache_url=NOWHERE, stop=Late()
    )


def test_a_call_wakes_the_relay(post, valkey, monkeypatch):
    monkeypatch.setattr(relay, "POLL_SECONDS", 60)
    if not valkey.process:
        valkey.start()
    web = Flask("web")
    wake.init_app(web, valkey.url, post.name)
    event = None

    @web.post("/parcels")
    def send() -> str:
        nonlocal event
        event = post.send()
        return "sent"

    with redis.Redis.from_url(valkey.url) as cache, post.at_work(cache_url=valkey.url):
        wait_until(is_connected)
        wait_until(lambda: cache.pubsub_numsub(wake.channel(post.name))[0][1])
        web.test_client().post("/parcels")
        wait_until(lambda: post.got, seconds=20)  # the relay sleeps a minute unless called
        post.relay.woken.set()
    assert post.got == [event]


def test_a_message_is_kept_while_the_database_is_away(post, monkeypatch):
    with post.at_work():
        wait_until(is_connected)
        take, away = post.inbox.take, [True]

        def take_or_wait(body: bytes, traceparent: object) -> None:
            if away:
                away.pop()
                raise ServerSelectionTimeoutError("nobody there")
            take(body, traceparent)

        monkeypatch.setattr(post.inbox, "take", take_or_wait)
        event = post.send()
        wait_until(lambda: post.got)
    assert post.got == [event]
    assert ParkedEvent.objects.count() == 0


@ON_RABBITMQ
def test_what_is_in_hand_outlasts_many_heartbeats_without_a_database(post, monkeypatch):
    """Each time that the broker gave up the connection, it would count one more delivery."""
    monkeypatch.setattr(broker, "HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(consumer, "RETRY_SECONDS", 0.1)
    pk, tries = str(uuid.uuid4()), iter(range(50))  # five seconds and more
    told = [new_event("post", post.sent, pk, n, {}) for n in range(1, consumer.PREFETCH + 11)]
    with capture_logs() as said, post.at_work():
        wait_until(is_connected)
        take = post.inbox.take

        def take_or_wait(body: bytes, traceparent: object) -> None:
            if next(tries, None) is not None:
                raise ServerSelectionTimeoutError("nobody there")
            take(body, traceparent)

        monkeypatch.setattr(post.inbox, "take", take_or_wait)
        Parcel(id=pk, outbox=[entry(event) for event in told]).save()
        wait_until(lambda: len(post.got) >= len(told))
    assert post.got == told  # each once, and in their order
    assert len([line for line in said if line["event"] == "consumer.ready"]) == 1


POISONS = {
    "not JSON": b"{",
    "not UTF-8": b'{"id": "\xff"}',
    "empty": b"",
    "a list": b"[1]",
    "nested without end": b"[" * 100_000,
    "nested as deep as can be read": b'{"id": "%d", "data": ' + b"[" * 900 + b"]" * 900 + b"}",
    "a number without end": b'{"id": ' + b"1" * 5000 + b"}",
    "no id": b'{"type": "%s"}',
    "a number for an id": b'{"id": 7}',
    "half a character in its id": b'{"id": "\\ud800"}',
    "half a character in its type": b'{"id": "%d", "type": "\\ud800"}',
    "half a character in its data": b'{"id": "%d", "type": "%s", "data": {"x": "\\ud800"}}',
    "a number no database takes": b'{"id": "%d", "type": "%s", "data": {"x": 1e400, "y": %n}}',
    "NUL in a name": b'{"id": "%d", "type": "%s", "data": {"a\\u0000b": 1}}',
    "a type nobody handles": b'{"id": "%d", "type": "other", "data": {}}',
    "a list for a type": b'{"id": "%d", "type": []}',
    "no data": b'{"id": "%d", "type": "%s"}',
    "no subject": b'{"id": "%d", "type": "%s", "data": {}}',
    "a trace that is none": b'{"id": "%d", "type": "%s", "data": {}, "traceparent": 7}',
    "larger than the database takes": b'{"id": "%d", "data": "' + b"x" * 17_000_000 + b'"}',
}


def test_no_event_however_broken_holds_up_the_next(post):
    stored: list[Any] = []

    def store(event: dict[str, Any]) -> None:
        Parcel._get_collection().insert_one({"_id": event["id"], "heard": event["data"]})
        stored.append(event)

    post.handler = store
    fill = {b"%d": str(uuid.uuid4()).encode(), b"%s": post.sent.encode(), b"%n": b"9" * 30}
    with post.at_work(), publish_to(post.url) as publish:
        wait_until(is_connected)
        for n, body in enumerate(POISONS.values()):
            for mark, what in fill.items():
                body = body.replace(mark, what + b"-%d" % n if mark == b"%d" else what)
            if broker.is_rabbitmq(post.url) and len(body) > 16_000_000:
                body = body[:16_000_000]  # RabbitMQ refuses more
            publish(body, post.sent)
        good = post.send()
        wait_until(lambda: stored)
        wait_until(lambda: ParkedEvent.objects(dead=True).count() == len(POISONS), seconds=60)
    assert [event["id"] for event in stored] == [good["id"]]
    assert set(ParkedEvent.objects.scalar("attempts")) == {3}  # at once, and after each delay


def test_a_dead_event_is_handled_once_it_can_be(post):
    def fail(event: dict[str, Any]) -> None:
        raise RuntimeError("not today")

    post.handler = fail
    with post.at_work():
        wait_until(is_connected)
        event = post.send()
        dead = wait_until(lambda: ParkedEvent.objects(id=event["id"], dead=True).first())
        assert "not today" in dead.error
        post.handler = post.got.append
        assert redrive(event["id"]) == 1
        wait_until(lambda: post.got)
        wait_until(lambda: ParkedEvent.objects.count() == 0)
    assert post.got == [event] == [json.loads(dead.event)]
