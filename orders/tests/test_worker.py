"""What orders does with events, and with silence."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from datetime import timedelta

import jsonschema_rs
import pytest
from mongoengine import OperationError
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect

from orders import events, use_cases
from orders.catalogue import CatalogueItem
from orders.chassis import health
from orders.chassis.outbox import new_event, now
from orders.chassis.parking import ParkedEvent
from orders.models import Order


class Shelf:
    """A catalogue that has everything."""

    def find(self, ids):
        return {pk: CatalogueItem("Mug", 500, "EUR") for pk in ids}


@pytest.fixture
def order(app):
    wanted = [{"product_id": "mug", "quantity": 2}]
    return use_cases.place_order("ann", "key", wanted, Shelf(), saga_timeout=60)


def reserved(order, **more):
    return new_event("products", "stock.reserved", order.id, 1, {"order_id": order.id, **more})


def rejected(order, left=1):
    items = [{"product_id": "mug", "requested": 2, "left": left}]
    data = {"order_id": order.id, "reason": "out_of_stock", "items": items}
    return new_event("products", "stock.rejected", order.id, 1, data)


def told(order):
    """The events that wait to leave, oldest first."""
    return [waiting["event"]["type"] for waiting in Order.objects.get(id=order.id).outbox]


def status(order):
    return Order.objects.get(id=order.id).status


def test_a_repeat_is_known_by_what_it_orders_and_not_by_how_it_is_written(order):
    again = [{"quantity": 2, "product_id": "mug"}]
    assert use_cases.place_order("ann", "key", again, Shelf(), saga_timeout=60).id == order.id


def test_the_slower_of_two_copies_is_answered_with_the_order_of_the_faster(app):
    wanted = [{"product_id": "mug", "quantity": 2}]
    faster = []

    class SlowShelf(Shelf):
        def find(self, ids):
            faster.append(use_cases.place_order("ann", "key", wanted, Shelf(), saga_timeout=60))
            return super().find(ids)

    slower = use_cases.place_order("ann", "key", wanted, SlowShelf(), saga_timeout=60)
    assert [slower.id] == [order.id for order in faster]
    assert Order.objects.count() == 1


def test_confirms_when_stock_is_reserved(inbox, order):
    inbox.handle(reserved(order))
    assert status(order) == "confirmed"
    assert told(order) == ["order.placed", "order.confirmed"]


def test_rejects_with_what_was_left_when_stock_is_short(inbox, order):
    inbox.handle(rejected(order, left=1))
    now_is = Order.objects.get(id=order.id)
    assert (now_is.status, now_is.reason) == ("rejected", "out_of_stock")
    told = now_is.outbox[-1]["event"]
    assert (told["type"], told["sequence"]) == ("order.rejected", 2)
    short = {"product_id": "mug", "name": "Mug", "requested": 2, "left": 1}
    assert told["data"] == {
        "order_id": order.id, "customer_id": "ann", "reason": "out_of_stock", "items": [short]
    }  # fmt: skip


def test_a_short_product_that_the_order_does_not_name_is_called_by_its_id(inbox, order):
    event = rejected(order)
    event["data"]["items"][0]["product_id"] = "pot"
    inbox.handle(event)
    assert [item.name for item in Order.objects.get(id=order.id).short_items] == ["pot"]


def test_a_repeated_answer_changes_nothing_and_tells_the_same_event_again(inbox, order):
    inbox.handle(reserved(order))
    first = Order.objects.get(id=order.id)
    for _ in range(3):
        inbox.handle(reserved(order))
    again = Order.objects.get(id=order.id)
    assert again.version == first.version == 2
    assert [w["id"] for w in again.outbox] == [w["id"] for w in first.outbox]


def test_stock_reserved_for_a_cancelled_order_is_answered_with_the_cancellation(inbox, order):
    use_cases.cancel_order(order.id, "ann")
    Order.objects(id=order.id).update(set__outbox=[])  # all has left
    inbox.handle(reserved(order))
    assert status(order) == "cancelled"
    assert told(order) == ["order.cancelled"]


def test_a_late_rejection_does_not_touch_a_confirmed_order(inbox, order):
    inbox.handle(reserved(order))
    inbox.handle(rejected(order))
    assert status(order) == "confirmed"


def test_reads_only_its_own_view_of_an_event(inbox, order):
    inbox.handle(reserved(order, something_new={"from": "a later version"}))
    assert status(order) == "confirmed"


def test_an_unanswered_order_is_asked_again_with_the_same_event(order):
    use_cases.look_after_pending(60)
    assert told(order) == ["order.placed"]
    Order.objects(id=order.id).update(set__check_at=now(), set__outbox=[])
    use_cases.look_after_pending(60)
    (waiting,) = Order.objects.get(id=order.id).outbox
    assert waiting["id"] == order.placed["id"]
    assert status(order) == "pending"


def test_an_order_is_asked_about_again_when_its_time_is_over_and_not_before(order, monkeypatch):
    for passed, asked in ((30, False), (61, True)):
        monkeypatch.setattr(use_cases, "now", lambda late=passed: now() + timedelta(seconds=late))
        use_cases.look_after_pending(60)
        assert Order.objects.get(id=order.id).asked_again is asked


def test_an_order_that_was_asked_about_again_has_its_whole_time_anew(order, monkeypatch):
    Order.objects(id=order.id).update(set__check_at=now())
    for _ in range(3):
        use_cases.look_after_pending(60)
    assert status(order) == "pending"
    monkeypatch.setattr(use_cases, "now", lambda: now() + timedelta(seconds=61))
    use_cases.look_after_pending(60)
    assert status(order) == "rejected"


def test_of_two_who_decide_on_what_they_have_read_only_one_does(order):
    one, two, three = (Order.objects.get(id=order.id) for _ in range(3))
    assert one.confirm()
    assert not two.reject("timeout", [])
    assert not three.cancel()
    assert status(order) == "confirmed"
    assert told(order) == ["order.placed", "order.confirmed"]


def test_what_was_answered_or_asked_meanwhile_is_not_asked_again(inbox, order):
    """Two workers have read the same order; what the slower one asks comes too late."""
    other = use_cases.place_order(
        "ann", "k2", [{"product_id": "mug", "quantity": 2}], Shelf(), saga_timeout=60
    )
    order.ask_again(60)
    asked = Order.objects.get(id=order.id)
    order.ask_again(600)
    assert Order.objects.get(id=order.id).check_at == asked.check_at
    assert not Order.objects.get(id=other.id).asked_again
    inbox.handle(reserved(other))
    Order.objects(id=other.id).update(set__outbox=[])  # all has left
    other.ask_again(60)
    assert told(other) == []


@pytest.mark.parametrize("last", [1, 2])
@pytest.mark.parametrize("left", [True, False])
def test_a_worker_that_dies_while_it_asks_again_has_asked_or_leaves_it_to_others(
    order, monkeypatch, left, last
):
    """Otherwise the order would be rejected without having been asked about a second time."""
    later = now() + timedelta(seconds=30)
    changes = {"set__outbox": []} if left else {"set__outbox__0__due": later}
    Order.objects(id=order.id).update(**changes)
    write, writes = Collection.update_one, itertools.count(1)

    def write_and_die(*args, **options):
        done = write(*args, **options)
        if next(writes) == last:
            raise AutoReconnect("the worker is gone")
        return done

    with monkeypatch.context() as mortal, contextlib.suppress(AutoReconnect):
        mortal.setattr(Collection, "update_one", write_and_die)
        order.ask_again(60)
    found = Order.objects.get(id=order.id)
    assert found.asked_again == any(waiting["due"] < later for waiting in found.outbox)


def test_an_order_twice_unanswered_is_rejected(order):
    for _ in range(2):
        Order.objects(id=order.id).update(set__check_at=now() - timedelta(seconds=1))
        use_cases.look_after_pending(60)
    assert status(order) == "rejected"
    assert Order.objects.get(id=order.id).reason == "timeout"
    assert told(order)[-1] == "order.rejected"


@pytest.mark.parametrize("step", ["ask_again", "reject"])
def test_an_order_that_cannot_be_looked_after_keeps_none_behind_it_waiting(
    order, monkeypatch, step
):
    wanted, real = [{"product_id": "mug", "quantity": 1}], getattr(Order, step)
    others = [
        use_cases.place_order("ann", f"k{n}", wanted, Shelf(), saga_timeout=60) for n in range(2)
    ]
    Order.objects.update(set__check_at=now(), set__asked_again=step == "reject")

    def fail_for_one(self, *args):
        if self.id == order.id:
            raise OperationError("larger than the database takes")
        return real(self, *args)

    monkeypatch.setattr(Order, step, fail_for_one)
    use_cases.look_after_pending(60)
    assert list(Order.unanswered(now()).scalar("id")) == [order.id]
    assert {status(other) for other in others} == {"rejected" if step == "reject" else "pending"}


def test_a_database_that_is_away_is_asked_for_the_next_order_another_time(order, monkeypatch):
    """Each would wait two seconds for it."""
    use_cases.place_order(
        "ann", "k2", [{"product_id": "mug", "quantity": 1}], Shelf(), saga_timeout=60
    )
    Order.objects.update(set__check_at=now())
    asked = []

    def away(self, *_):
        asked.append(self.id)
        raise AutoReconnect("nobody there")

    monkeypatch.setattr(Order, "ask_again", away)
    with pytest.raises(AutoReconnect):
        use_cases.look_after_pending(60)
    assert len(asked) == 1


def test_what_cannot_be_handled_is_parked_tried_again_and_then_dead(inbox, order):
    event = reserved(order)
    del event["data"]["order_id"]
    inbox.take(json.dumps(event).encode())
    assert [(p.attempts, p.dead) for p in ParkedEvent.objects] == [(1, False)]
    inbox.retry_due()
    assert [(p.attempts, p.dead) for p in ParkedEvent.objects] == [(3, True)]
    inbox.take(json.dumps(reserved(order)).encode())
    assert status(order) == "confirmed"


def test_a_parked_event_is_handled_when_its_cause_is_gone(inbox, order, monkeypatch):
    def fail(event):
        raise RuntimeError("no luck")

    with monkeypatch.context() as patch:
        patch.setitem(inbox.handlers, "stock.reserved", fail)
        inbox.take(json.dumps(reserved(order)).encode())
    assert "no luck" in ParkedEvent.objects.get().error
    inbox.retry_due()
    assert status(order) == "confirmed"
    assert ParkedEvent.objects.count() == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"id": 1}', b'{"id": "x"}', b"\xff"])
def test_a_message_that_is_no_event_is_parked(inbox, body):
    inbox.take(body)
    assert ParkedEvent.objects.count() == 1


def detail(client, check):
    """What /health/ready says of one thing: (status, detail)."""
    found = client.get("/health/ready").json["checks"][check]
    return found["status"], found["detail"]


def test_health_names_the_age_of_the_oldest_unsent_event_and_the_dead(client, inbox, order):
    assert detail(client, "events") == ("ok", "none unsent, none dead")
    long_ago = now() - timedelta(seconds=125.5)
    Order.objects(id=order.id).update(set__outbox__0__since=long_ago)
    status, said = detail(client, "events")
    assert status == "degraded"
    assert re.fullmatch(r"1 unsent, the oldest for 12\d s, none dead", said)
    inbox.take(b"{")
    while inbox.retry_due():
        pass
    assert detail(client, "events")[1].endswith(" s, 1 dead")
    Order.objects(id=order.id).update(set__outbox__0__sent=True)  # on redis:// it goes twice
    assert detail(client, "events") == ("degraded", "none unsent, 1 dead")


def test_health_names_what_keeps_a_worker_from_the_broker(client):
    health.beat(False)
    assert detail(client, "broker") == ("degraded", "no worker is connected to the broker")
    health.beat(False, "the queue orders.events is another")
    said = "not connected: the queue orders.events is another"
    assert detail(client, "broker") == ("degraded", said)
    health.beat(True)
    assert detail(client, "broker") == ("ok", "a worker is connected")
    status, said = detail(client, "worker")
    assert status == "ok" and re.fullmatch(r"seen \d+ s ago", said)
    health.say_goodbye()


def test_every_event_told_is_as_the_contract_says(inbox, order):
    inbox.handle(reserved(order))
    use_cases.cancel_order(order.id, "ann")
    other = use_cases.place_order(
        "ann", "k2", [{"product_id": "mug", "quantity": 2}], Shelf(), saga_timeout=60
    )
    inbox.handle(rejected(other))
    kinds = set()
    for document in Order.objects:
        for waiting in document.outbox:
            event = json.loads(json.dumps(waiting["event"]))
            jsonschema_rs.validator_for(events.TELLS[event["type"]]).validate(event["data"])
            kinds.add(event["type"])
    assert kinds == set(events.TELLS)
