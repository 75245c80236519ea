"""What became of an order's stock where two workers meet, or one of them stops halfway."""

from __future__ import annotations

from datetime import timedelta

import pytest

from products import stock
from products.chassis.outbox import now
from products.errors import Busy
from products.models import Product
from products.reservations import Item, Reservation


def begin(product_id: str) -> Reservation:
    """Somebody has begun to reserve three for the order `o`, and does nothing more."""
    return Reservation.begin("o", [Item(product_id=product_id.replace("_", "-"), quantity=3)])


def wait_until_nobody_can_be_at_it() -> None:
    past = now() - timedelta(seconds=stock.LEASE_SECONDS)
    Reservation.objects.update(set__updated_at=past)


def sweep_later() -> None:
    stock.sweep(now() + timedelta(seconds=stock.STALE_SECONDS + 1))


def test_events_say_who_tells_them_of_which_order_and_in_which_order(shop, product):
    mug = product()
    shop.place("o", **{mug: 1})
    shop.confirm("o")
    shop.cancel("o")
    told = [waiting["event"] for waiting in shop.outbox("o")]
    assert [event["type"] for event in told] == ["stock.reserved", "stock.released"]
    assert {(event["source"], event["subject"]) for event in told} == {("/products", "o")}
    # reserved, sold, on the way back, released: each is a version
    assert [event["sequence"] for event in told] == [2, 5]


def test_the_items_of_an_order_are_taken_in_one_order_whatever_order_they_come_in(shop, product):
    products = sorted(product().replace("_", "-") for _ in range(4))
    for order, listed in (("a", products), ("b", products[::-1])):
        items = [{"product_id": pk, "quantity": 1} for pk in listed]
        shop.tell("order.placed", order, items=items)
        told = shop.outbox(order)[0]["event"]["data"]["items"]
        assert [item["product_id"] for item in told] == products


def test_a_repeat_leaves_an_order_to_whoever_has_just_taken_it_up(shop, product):
    mug = product()
    begin(mug)
    with pytest.raises(Busy):
        shop.place("o", **{mug: 3})
    wait_until_nobody_can_be_at_it()
    assert Reservation.objects.get(id="o").take_over()
    with pytest.raises(Busy):
        shop.place("o", **{mug: 3})
    wait_until_nobody_can_be_at_it()
    shop.place("o", **{mug: 3})
    assert (shop.state("o"), shop.counts(mug)) == ("reserved", (7, 3, 0, 1))


def test_an_order_holds_a_product_by_one_attempt_only(shop, product):
    mug = product()
    pk = mug.replace("_", "-")
    assert Product.hold(pk, "o", "first", 3, "stock")
    assert not Product.hold(pk, "o", "second", 3, "stock")
    assert shop.counts(mug) == (7, 3, 0, 1)


@pytest.mark.parametrize(
    ("last", "half", "whole"),
    [
        ("place", ("reserving", (10, 0, 0, 0)), ("reserved", (7, 3, 0, 1))),
        ("cancel", ("returning", (7, 0, 3, 0)), ("released", (10, 0, 0, 0))),
    ],
)
def test_an_attempt_that_was_overtaken_gives_back_and_leaves_the_rest_to_the_other(
    shop, product, monkeypatch, last, half, whole
):
    mug, hold_all = product(), stock._hold_all

    def overtaken(reservation: Reservation, source: str) -> list:
        short = hold_all(reservation, source)
        assert Reservation.objects.get(id="o").take_over()
        return short

    if last == "cancel":
        shop.place("o", **{mug: 3})
        shop.confirm("o")
    with monkeypatch.context() as while_slow, pytest.raises(Busy):
        while_slow.setattr(stock, "_hold_all", overtaken)
        shop.place("o", **{mug: 3}) if last == "place" else shop.cancel("o")
    assert (shop.state("o"), shop.counts(mug)) == half
    wait_until_nobody_can_be_at_it()
    sweep_later()
    assert (shop.state("o"), shop.counts(mug)) == whole


def test_asked_again_about_a_sold_order_it_tells_again_that_it_was_reserved(shop, product):
    mug = product()
    shop.place("o", **{mug: 3})
    shop.confirm("o")
    first = shop.outbox("o")
    Reservation.objects(id="o").update(set__outbox=[])  # it has left, and was lost
    shop.place("o", **{mug: 3})
    assert [waiting["id"] for waiting in shop.outbox("o")] == [first[0]["id"]]


@pytest.mark.parametrize(("step", "counts"), [("sell", (7, 0, 3, 0)), ("release", (10, 0, 0, 0))])
def test_the_sweep_brings_home_what_a_decided_order_left_on_the_way(shop, product, step, counts):
    mug = product()
    shop.place("o", **{mug: 3})
    getattr(Reservation.objects.get(id="o"), step)()  # and there the worker died
    stock.sweep()  # too soon: it may only be slow
    assert shop.counts(mug) == (7, 3, 0, 1)
    sweep_later()
    assert shop.counts(mug) == counts


@pytest.mark.parametrize("steps", [["place"], ["place", "confirm"], ["place", "cancel"]])
def test_the_sweep_leaves_alone_what_is_finished_for_now(shop, product, steps):
    mug = product()
    for step in steps:
        shop.place("o", **{mug: 3}) if step == "place" else getattr(shop, step)("o")
    wait_until_nobody_can_be_at_it()
    before, counts = Reservation.objects.get(id="o").to_mongo(), shop.counts(mug)
    sweep_later()
    assert (Reservation.objects.get(id="o").to_mongo(), shop.counts(mug)) == (before, counts)


def test_the_sweep_gives_back_what_a_rejected_order_still_holds(shop, product):
    mug = product()
    begun = begin(mug)
    assert Product.hold(mug.replace("_", "-"), "o", begun.attempt, 3, "stock")
    assert begun.reject([])
    assert shop.counts(mug) == (7, 3, 0, 1)
    sweep_later()
    assert shop.counts(mug) == (10, 0, 0, 0)


def test_the_sweep_gives_back_what_belongs_to_no_order(shop, product):
    mug, pot = product(), product()
    shop.place("o", **{mug: 1})
    for pk in (mug, pot):
        assert Product.hold(pk.replace("_", "-"), "nobody", "attempt", 3, "stock")
    sweep_later()
    assert (shop.counts(mug), shop.counts(pot)) == ((9, 1, 0, 1), (10, 0, 0, 0))


def test_the_sweep_goes_on_after_an_order_that_somebody_has_in_hand(shop, product, monkeypatch):
    mug = product()
    begin(mug)
    other = Reservation.begin("p", [Item(product_id=mug.replace("_", "-"), quantity=2)])
    real = Reservation.take_over
    lost = {"o"}  # to another worker, between the look and the write
    monkeypatch.setattr(
        Reservation, "take_over", lambda self: None if self.id in lost else real(self)
    )
    wait_until_nobody_can_be_at_it()
    sweep_later()
    assert (shop.state("o"), shop.state(other.id)) == ("reserving", "reserved")
    lost.clear()
    sweep_later()
    assert shop.counts(mug) == (5, 5, 0, 2)


def test_a_confirmation_while_the_units_go_back_is_late_and_no_fault(shop, product):
    mug = product()
    shop.place("o", **{mug: 3})
    shop.confirm("o")
    assert Reservation.objects.get(id="o").begin_return()
    shop.confirm("o")
    with pytest.raises(Busy):
        shop.cancel("o")
    wait_until_nobody_can_be_at_it()
    shop.cancel("o")
    assert (shop.state("o"), shop.counts(mug)) == ("released", (10, 0, 0, 0))


def test_a_sale_whose_own_answer_was_lost_is_a_sale(shop, product, monkeypatch):
    mug, real = product(), Reservation.sell
    shop.place("o", **{mug: 3})
    monkeypatch.setattr(Reservation, "sell", lambda self: real(self) and None)
    shop.confirm("o")
    assert (shop.state("o"), shop.counts(mug)) == ("sold", (7, 0, 3, 0))


def first(monkeypatch, name, happens):
    """Between a worker's look and its write `name`, once, something else happens."""
    real = getattr(Reservation, name)

    def late(*args):
        monkeypatch.undo()
        happens()
        return real(*args)

    plain = staticmethod(late) if hasattr(real, "__self__") else late
    monkeypatch.setattr(Reservation, name, plain)


def test_a_cancel_that_meets_its_place_gives_everything_back(shop, product, monkeypatch):
    mug = product()
    first(monkeypatch, "forestall", lambda: shop.place("o", **{mug: 3}))
    shop.cancel("o")
    assert (shop.state("o"), shop.counts(mug)) == ("released", (10, 0, 0, 0))
    assert shop.told("o") == ["stock.reserved", "stock.released"]


@pytest.mark.parametrize(
    ("confirmed", "step", "meets"),
    [(False, "release", "confirm"), (True, "begin_return", "cancel")],
)
def test_a_cancel_that_is_too_late_by_a_moment_is_tried_again(
    shop, product, monkeypatch, confirmed, step, meets
):
    mug = product()
    shop.place("o", **{mug: 3})
    if confirmed:
        shop.confirm("o")
    first(monkeypatch, step, lambda: getattr(shop, meets)("o"))
    with pytest.raises(Busy):
        shop.cancel("o")
    shop.cancel("o")
    assert (shop.state("o"), shop.counts(mug)) == ("released", (10, 0, 0, 0))
