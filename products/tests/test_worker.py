"""Events in and out: what is heard, what is refused, and the process itself."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Queue

from conftest import wait_for
from products import events, stock, worker
from products.cache import VERSION
from products.chassis import broker
from products.chassis.outbox import new_event
from products.chassis.parking import ParkedEvent
from products.models import Product
from products.reservations import Item, Reservation


def test_hears_what_its_contract_says():
    assert worker.HANDLERS.keys() == events.HEARS.keys()
    assert events.MUST_BE_HEARD <= events.TELLS.keys()


def test_an_event_that_is_none_of_these_is_parked_and_takes_nothing(inbox, product):
    mug = product().replace("_", "-")
    no_items = [{}, {"product_id": mug}, {"product_id": "", "quantity": 1}]
    no_items += [{"product_id": mug, "quantity": bad} for bad in (0, "2", 1.5)]
    for items in ([], "mug", *([item] for item in no_items)):
        data = {"order_id": "o", "items": items}
        inbox.take(json.dumps(new_event("orders", "order.placed", "o", 1, data)).encode())
    assert ParkedEvent.objects.count() == 8
    assert Reservation.objects.count() == 0
    assert Product.objects.get(id=mug).stock == 10


def test_a_confirmation_that_comes_to_nothing_is_parked_and_blocks_nobody(inbox, shop, product):
    event = new_event("orders", "order.confirmed", "o", 1, {"order_id": "o"})
    inbox.take(json.dumps(event).encode())
    assert ParkedEvent.objects.get(id=event["id"]).type == "order.confirmed"
    mug = product()
    shop.place("o", **{mug: 2})
    ParkedEvent.objects.update(set__next_at=event["time"])
    assert inbox.retry_due() == 1
    assert shop.counts(mug) == (8, 0, 2, 0)
    assert ParkedEvent.objects.count() == 0


@pytest.fixture
def tidy_up(settings, monkeypatch) -> Callable[[], None]:
    """Does once what the worker does now and then; whoever is still at it is taken for dead."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(worker.process, "run", lambda **what: given.update(what))
    monkeypatch.setattr(worker.database, "connect", lambda url: None)  # as the app did
    monkeypatch.setattr(stock, "STALE_SECONDS", 0)
    monkeypatch.setattr(stock, "LEASE_SECONDS", 0)
    worker.work(settings)

    def run() -> None:
        for task in given["tasks"]:
            task.run()

    return run


@pytest.mark.parametrize("decided", [False, True])
def test_what_the_sweep_moves_is_seen_by_the_very_next_read(client, add, tidy_up, decided):
    pk = add(stock=5)["id"]
    begun = Reservation.begin("o", [Item(product_id=pk, quantity=3)])
    assert Product.hold(pk, "o", begun.attempt, 3, "stock")
    if decided:
        begun.reject([])  # and here the worker died
    before = client.get(f"/products/{pk}")
    tidy_up()
    after, product = client.get(f"/products/{pk}"), Product.objects.get(id=pk)
    assert after.headers["ETag"] == f'"{product.version}"' != before.headers["ETag"]
    assert after.json["stock"] == product.stock == (5 if decided else 2)


def test_a_sweep_that_moves_nothing_lets_the_kept_answers_count(shop, product, cache, tidy_up):
    shop.place("o", **{product(): 3})  # its confirmation is still to come
    before = cache.store.get(VERSION)
    tidy_up()
    assert cache.store.get(VERSION) == before is not None


def test_the_process_reserves_tells_and_stops_when_asked(settings, product, tmp_path):
    url = os.environ.get("BROKER_URL", settings.cache_url.replace("/0", "/1"))
    environment = {
        **os.environ,
        "MONGO_URL": settings.mongo_url,
        "BROKER_URL": url,
        "CACHE_URL": settings.cache_url,
        "JWKS_URL": settings.jwks_url,
        "TMPDIR": str(tmp_path),  # where the worker keeps its beat
    }
    mug, order_id, heard = product().replace("_", "-"), str(uuid.uuid4()), []
    command = [Path(sys.executable).with_name("products"), "worker"]
    with contextlib.ExitStack() as stack:
        connection: Connection = stack.enter_context(broker.connect(url, "test"))
        answers = Queue(
            f"test.{uuid.uuid4()}",
            bindings=[broker.binding(broker.EXCHANGE, routing_key="stock.*")],
            auto_delete=True,
        )
        consumer = connection.Consumer(
            [answers], on_message=lambda m: heard.append(json.loads(m.body)), no_ack=True
        )
        stack.enter_context(consumer)
        process = stack.enter_context(subprocess.Popen(command, env=environment))
        stack.callback(process.kill)
        asked = [sys.executable, "-m", "products.chassis.beat"]  # as a container asks
        wait_for(lambda: subprocess.run(asked, env=environment).returncode == 0)
        subprocess.run([*command, "--check"], env=environment, check=True)

        data = {"order_id": order_id, "items": [{"product_id": mug, "quantity": 2}]}
        event = new_event("orders", "order.placed", order_id, 1, data)
        producer = connection.Producer()

        def answered():
            with contextlib.suppress(TimeoutError):
                connection.drain_events(timeout=0.2)
            return [e for e in heard if e["subject"] == order_id]

        def placed():
            # told again and again, since the first may come before the worker listens
            producer.publish(
                json.dumps(event).encode(),
                exchange=broker.EXCHANGE,
                routing_key="order.placed",
                content_type="application/cloudevents+json",
                content_encoding="utf-8",
            )
            return answered()

        answer = wait_for(placed)[0]
        assert (answer["type"], answer["data"]["order_id"]) == ("stock.reserved", order_id)
        assert Product.objects.get(id=mug).stock == 8
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=25) == 0
