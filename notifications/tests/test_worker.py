"""From an event to what people read: the handlers, and the worker as a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from conftest import forget_queues, order_event, publish_to, wait_until
from notifications import events
from notifications.chassis.health import WorkerBeat
from notifications.chassis.outbox import new_event, now, rfc3339
from notifications.chassis.parking import ParkedEvent
from notifications.messages import MESSAGES
from notifications.models import Notification
from notifications.worker import HANDLERS

MUG = {"product_id": "p1", "name": "Mug", "requested": 5, "left": 2}
LAMP = {"product_id": "p2", "requested": 1, "left": 0}


def text_of(event: dict) -> str:
    return Notification.objects.get(event_id=event["id"]).text


def test_has_a_handler_and_a_message_for_all_it_hears():
    assert HANDLERS.keys() == events.HEARS.keys()
    assert MESSAGES.keys() == events.OF_ORDERS.keys()


def test_fifty_copies_of_one_event_at_once_are_one_notification(inbox, app):
    event = order_event("placed")
    with ThreadPoolExecutor(50) as threads:
        list(threads.map(lambda _: inbox.handle(event), range(50)))
    assert Notification.objects.count() == 1
    assert ParkedEvent.objects.count() == 0


def test_a_repeat_leaves_alone_what_was_read(inbox):
    event = order_event("placed")
    inbox.handle(event)
    told = Notification.objects.get()
    Notification.mark_read(told.id, "ann")
    inbox.handle(event)
    assert Notification.objects.get().read_at is not None


def test_older_events_are_told_however_late_they_come(inbox):
    late = order_event("placed")
    newer = {**order_event("confirmed"), "sequence": 2}
    newer["data"]["order_id"] = late["data"]["order_id"]
    for event in (newer, late):
        inbox.handle(event)
    assert Notification.objects.count() == 2


@pytest.mark.parametrize(
    ("what", "data", "says"),
    [
        ("placed", {"total": {"amount": 1999, "currency": "EUR"}}, "for 19.99 EUR."),
        ("placed", {"total": {"amount": 5, "currency": "USD"}}, "for 0.05 USD."),
        ("placed", {"total": {"amount": 1500, "currency": "JPY"}}, "for 1500 JPY."),
        ("placed", {"total": {"amount": 1500, "currency": "RWF"}}, "for 1500 RWF."),
        ("placed", {"total": {"amount": 1500, "currency": "KWD"}}, "for 1.500 KWD."),
        ("placed", {"total": {"amount": 15000, "currency": "CLF"}}, "for 1.5000 CLF."),
        ("placed", {"total": {"amount": 5 * 10**16, "currency": "EUR"}}, f"for 5{'0' * 14}.00 EUR"),
        ("confirmed", {}, "is confirmed"),
        ("cancelled", {}, "is cancelled"),
        ("rejected", {"reason": "out_of_stock", "items": [MUG]}, "Mug: 5 wanted, 2 left."),
        (
            "rejected",
            {"reason": "out_of_stock", "items": [MUG, LAMP]},
            "2 left. Product p2: 1 wanted, 0 left.",
        ),
        ("rejected", {"reason": "timeout", "items": []}, "could not be checked in time"),
        ("rejected", {"reason": "out_of_stock"}, "not enough in stock"),
        ("rejected", {"reason": "moonlight"}, "moonlight."),
    ],
)
def test_says_in_plain_words_what_happened(inbox, what, data, says):
    event = order_event(what, **data)
    inbox.handle(event)
    assert says in text_of(event)
    assert event["data"]["order_id"][:8] in text_of(event)


def test_reads_only_its_own_view_of_an_event(inbox):
    event = order_event("confirmed", discount="unheard of", customer_name="Ann")
    inbox.handle(event | {"extension": True})
    assert Notification.objects.get().data == {"order_id": event["data"]["order_id"]}


def test_every_notification_is_a_log_line_without_what_it_says(inbox):
    event = order_event("placed")
    with capture_logs() as said:
        for _ in range(2):
            inbox.handle(event)
    told = Notification.objects.get()
    lines = [line for line in said if line["event"] == "notification.sent"]
    assert len(lines) == 1
    assert lines[0].items() >= {
        "kind": "order.placed", "notification_id": told.id, "user_id": "ann",
        "event_id": event["id"],
    }.items()  # fmt: skip
    assert told.text not in json.dumps(lines)


def test_what_cannot_be_told_is_kept_and_not_lost(inbox):
    event = order_event("placed", total={"amount": "much", "currency": "EUR"})
    inbox.take(json.dumps(event).encode())
    assert Notification.objects.count() == 0
    parked = ParkedEvent.objects.get(id=event["id"])
    assert json.loads(parked.event) == event
    assert "much" in parked.error


def test_an_event_about_nothing_is_not_told(inbox):
    event = order_event("placed")
    del event["subject"]
    inbox.take(json.dumps(event).encode())
    assert Notification.objects.count() == 0
    assert "subject" in ParkedEvent.objects.get(id=event["id"]).error


# ---- the worker as a process of its own ----


@pytest.fixture
def program(settings, broker_url, tmp_path) -> Iterator[Callable[[], subprocess.Popen]]:
    """Starts `notifications worker`, and waits until it listens."""
    started: list[subprocess.Popen] = []
    given = {
        "MONGO_URL": settings.mongo_url,
        "BROKER_URL": broker_url,
        "CACHE_URL": settings.cache_url,
        "JWKS_URL": settings.jwks_url,
        "RETRY_DELAYS": "0.01,0.01",
    }

    def start() -> subprocess.Popen:
        output = tmp_path / f"worker-{len(started)}.log"
        command = [Path(sys.executable).with_name("notifications"), "worker"]
        with output.open("w") as file:
            worker = subprocess.Popen(
                command, stdout=file, stderr=file, env={"PATH": os.environ["PATH"], **given}
            )
        started.append(worker)
        wait_until(lambda: "consumer.ready" in output.read_text() or worker.poll() is not None)
        assert worker.poll() is None, output.read_text()
        return worker

    yield start
    for worker in started:
        worker.kill()
        worker.wait()
    forget_queues(broker_url, events.SERVICE)


@pytest.fixture
def publish(broker_url) -> Iterator[Callable[[dict], None]]:
    """Publishes an event as another service would."""
    with publish_to(broker_url) as send:
        yield lambda event: send(json.dumps(event).encode(), event["type"])


def test_tells_what_another_service_published(program, publish, client, as_user):
    program()
    event = order_event("placed")
    publish(event)
    news = {"until": rfc3339(now())}
    publish(new_event("users", "sessions.told", "sessions", 1, news))
    wait_until(Notification.objects.count)
    [item] = client.get("/notifications", headers=as_user()).json["items"]
    assert item["data"]["order_id"] == event["data"]["order_id"]
    wait_until(lambda: client.get("/health/ready").json["status"] == "ok")


def test_stopping_the_worker_in_the_midst_of_its_work_loses_nothing(program, publish):
    first, told = program(), set()

    def tell() -> None:
        event = order_event("placed")
        publish(event)
        told.add(event["id"])

    for _ in range(50):
        tell()
    wait_until(Notification.objects.count)
    first.send_signal(signal.SIGTERM)
    while first.poll() is None:  # events come until it is gone, and when it is gone
        tell()
        with contextlib.suppress(subprocess.TimeoutExpired):
            first.wait(timeout=0.01)
    tell()
    assert first.returncode == 0
    assert WorkerBeat.objects(id__endswith=f":{first.pid}").count() == 0
    program()
    wait_until(lambda: set(Notification.objects.scalar("event_id")) == told)


@pytest.mark.parametrize(
    "broker_url", [pytest.param("rabbitmq", marks=pytest.mark.real)], indirect=True
)
def test_killing_the_worker_in_the_midst_of_its_work_loses_nothing(program, publish):
    first, told = program(), [order_event("placed") for _ in range(200)]
    for event in told:
        publish(event)
    wait_until(Notification.objects.count)
    first.kill()
    first.wait()
    program()
    wait_until(lambda: Notification.objects.count() == len(told))


def test_an_event_that_cannot_be_told_dies_and_holds_up_nobody(program, publish):
    program()
    poison = order_event("placed", total={"amount": "much", "currency": "EUR"})
    publish(poison)
    behind = order_event("confirmed")
    publish(behind)
    wait_until(lambda: Notification.objects(event_id=behind["id"]).count())
    dead = wait_until(lambda: ParkedEvent.objects(dead=True).first())
    assert (dead.id, dead.attempts) == (poison["id"], 3)
