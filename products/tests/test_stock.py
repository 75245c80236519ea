"""What orders do to the stock: one after the other, all at once, twice, late and half."""

from __future__ import annotations

import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import bson
import jsonschema_rs
import pytest

from conftest import wait_for
from products import events, stock
from products.chassis.outbox import now
from products.errors import Busy, NotReserved
from products.models import Product
from products.reservations import Reservation


def test_an_order_takes_free_units_and_is_told_so(shop, product):
    mug = product(stock=10)
    shop.place("o", **{mug: 3})
    assert shop.counts(mug) == (7, 3, 0, 1)
    event = shop.outbox("o")[0]["event"]
    assert (event["type"], event["subject"]) == ("stock.reserved", "o")
    items = [{"product_id": mug.replace("_", "-"), "quantity": 3}]
    assert event["data"] == {"order_id": "o", "items": items}


def test_one_short_item_rejects_the_order_with_what_was_left(shop, product):
    mug, pot, cup = product(stock=10), product(stock=1), product(stock=0)
    shop.place("o", **{mug: 2, pot: 2, cup: 1, "unknown": 1})
    assert [shop.counts(p) for p in (mug, pot, cup)] == [(10, 0, 0, 0), (1, 0, 0, 0), (0,) * 4]
    data = shop.outbox("o")[0]["event"]["data"]
    assert data["reason"] == "out_of_stock"
    left = {item["product_id"]: (item["requested"], item["left"]) for item in data["items"]}
    assert left == {
        pot.replace("_", "-"): (2, 1), cup.replace("_", "-"): (1, 0), "unknown": (1, 0)
    }  # fmt: skip


def test_what_was_taken_before_a_short_item_comes_back_and_the_last_unit_is_not_short(
    shop, product
):
    first, short, last = product(id="a"), product(stock=1, id="b"), product(stock=2, id="c")
    shop.place("o", **{first: 3, short: 2, last: 2})  # in this order
    assert [shop.counts(p)[:2] for p in (first, short, last)] == [(10, 0), (1, 0), (2, 0)]
    [item] = shop.outbox("o")[0]["event"]["data"]["items"]
    assert item == {"product_id": "b", "requested": 2, "left": 1}


def test_events_are_what_the_contract_says(shop, product):
    mug = product(stock=3)
    shop.place("a", **{mug: 3})
    shop.place("b", **{mug: 3})
    shop.cancel("a")
    told = [waiting["event"] for order in "ab" for waiting in shop.outbox(order)]
    assert [event["type"] for event in told] == [
        "stock.reserved", "stock.released", "stock.rejected"
    ]  # fmt: skip
    for event in told:
        jsonschema_rs.validate(events.TELLS[event["type"]], event["data"])


def test_a_confirmed_order_has_bought_its_units(shop, product):
    mug = product()
    shop.place("o", **{mug: 3})
    shop.confirm("o")
    assert shop.counts(mug) == (7, 0, 3, 0)
    assert shop.told("o") == ["stock.reserved"]


@pytest.mark.parametrize("confirmed", [False, True])
@pytest.mark.parametrize("off", ["order.cancelled", "order.rejected"])
def test_an_order_that_is_off_gives_its_units_back(shop, product, confirmed, off):
    mug, pot = product(), product()
    shop.place("o", **{mug: 3, pot: 1})
    if confirmed:
        shop.confirm("o")
    shop.tell(off, "o")
    assert shop.counts(mug) == shop.counts(pot) == (10, 0, 0, 0)
    assert shop.told("o") == ["stock.reserved", "stock.released"]


def test_units_come_back_to_a_deleted_product_but_are_not_for_sale(shop, product):
    mug = product()
    shop.place("bought", **{mug: 3})
    shop.confirm("bought")
    shop.place("open", **{mug: 2})
    Product.objects(id=mug.replace("_", "-")).update(set__deleted_at=now())
    shop.cancel("bought")
    shop.cancel("open")
    assert shop.counts(mug) == (10, 0, 0, 0)
    shop.place("late", **{mug: 1})
    assert shop.state("late") == "rejected"
    assert shop.outbox("late")[0]["event"]["data"]["items"][0]["left"] == 0


def test_a_cancel_before_its_place_leaves_nothing_reserved(shop, product):
    mug = product()
    shop.cancel("o")
    shop.place("o", **{mug: 3})
    shop.cancel("o")
    assert shop.counts(mug) == (10, 0, 0, 0)
    assert shop.told("o") == []


def test_a_product_named_twice_is_added_up(shop, product):
    mug = product(stock=5).replace("_", "-")
    items = [{"product_id": mug, "quantity": 2}] * 2
    shop.tell("order.placed", "o", items=items)
    assert shop.counts(mug) == (1, 4, 0, 1)


STORIES = {
    "reserved": (["place"], (7, 3, 0, 1)),
    "sold": (["place", "confirm"], (7, 0, 3, 0)),
    "cancelled": (["place", "cancel"], (10, 0, 0, 0)),
    "returned": (["place", "confirm", "cancel"], (10, 0, 0, 0)),
    "forestalled": (["cancel", "place"], (10, 0, 0, 0)),
}


def act(shop, step, mug):
    if step == "place":
        shop.place("o", **{mug: 3})
    else:
        getattr(shop, step)("o")


@pytest.mark.parametrize("story", STORIES)
def test_everything_may_come_twice(shop, product, story):
    mug = product()
    steps, outcome = STORIES[story]
    for step in steps:
        for _ in range(3):
            act(shop, step, mug)
    assert shop.counts(mug) == outcome


@pytest.mark.parametrize("story", STORIES)
def test_late_repeats_of_what_is_past_change_nothing(shop, product, story):
    mug = product()
    steps, outcome = STORIES[story]
    for step in steps:
        act(shop, step, mug)
    version = Product.objects.get(id=mug.replace("_", "-")).version
    past = [step for step in steps if step != "cancel"]
    for step in past * 2:
        act(shop, step, mug)
    assert shop.counts(mug) == outcome
    assert Product.objects.get(id=mug.replace("_", "-")).version == version


def test_asked_again_it_gives_the_same_answer_with_the_same_id(shop, product):
    mug = product(stock=3)
    shop.place("yes", **{mug: 3})
    shop.place("no", **{mug: 3})
    for order, kind in (("yes", "stock.reserved"), ("no", "stock.rejected")):
        first = shop.outbox(order)
        Reservation.objects(id=order).update(set__outbox=[])  # it has left, and was lost
        Product.objects(id=mug.replace("_", "-")).update(inc__stock=5)
        shop.place(order, **{mug: 3})
        shop.place(order, **{mug: 3})
        assert [waiting["id"] for waiting in shop.outbox(order)] == [first[0]["id"]]
        assert shop.told(order) == [kind]
    assert shop.counts(mug) == (10, 3, 0, 1)


def test_a_confirmation_of_what_is_not_reserved_is_not_swallowed(shop, product):
    with pytest.raises(NotReserved, match="order nobody is confirmed, but its stock is unknown"):
        shop.confirm("nobody")
    mug = product(stock=0)
    shop.place("o", **{mug: 1})
    with pytest.raises(NotReserved, match="order o is confirmed, but its stock is rejected"):
        shop.confirm("o")
    shop.cancel("o")
    assert shop.state("o") == "rejected"


# --- all at once ---


def at_once(*calls):
    """Run all calls in threads; Busy is tried again, as the inbox does."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait()
        return wait_for(lambda: call() or True, Busy)

    with ThreadPoolExecutor(len(calls)) as pool:
        for future in [pool.submit(run, call) for call in calls]:
            future.result()


def test_of_fifty_orders_at_once_for_ten_units_exactly_ten_get_one(shop, product):
    mug = product(stock=10)
    orders = [f"o{n}" for n in range(50)]
    at_once(*[lambda o=o: shop.place(o, **{mug: 1}) for o in orders])
    states = [shop.state(o) for o in orders]
    assert (states.count("reserved"), states.count("rejected")) == (10, 40)
    assert shop.counts(mug) == (0, 10, 0, 10)
    at_once(*[lambda o=o: shop.confirm(o) for o in orders if shop.state(o) == "reserved"])
    assert shop.counts(mug) == (0, 0, 10, 0)


def test_orders_of_two_products_in_opposite_order_share_what_there_is(shop, product):
    mug, pot = product(stock=10), product(stock=10)
    pair = [{mug: 1, pot: 1}, {pot: 1, mug: 1}]
    at_once(*[lambda n=n: shop.place(f"o{n}", **pair[n % 2]) for n in range(24)])
    states = [shop.state(f"o{n}") for n in range(24)]
    assert states.count("reserved") == 10
    assert shop.counts(mug) == shop.counts(pot) == (0, 10, 0, 10)


def test_copies_of_one_order_at_once_take_its_units_once(shop, product):
    mug, pot = product(), product()
    at_once(*[lambda: shop.place("o", **{mug: 2, pot: 1})] * 12)
    assert shop.counts(mug) == (8, 2, 0, 1)
    assert shop.counts(pot) == (9, 1, 0, 1)
    assert shop.told("o") == ["stock.reserved"]


def test_whatever_comes_at_once_ends_as_if_in_some_order(shop, product):
    mug, pot = product(), product()

    def confirm():
        try:
            shop.confirm("o")
        except NotReserved:
            raise Busy from None  # parked, and tried again

    place = [lambda: shop.place("o", **{mug: 2, pot: 1})] * 4
    at_once(*place, *[lambda: shop.cancel("o")] * 4, *[confirm] * 4)
    shop.cancel("o")
    assert shop.state("o") == "released"
    assert shop.counts(mug) == shop.counts(pot) == (10, 0, 0, 0)


def test_an_admin_writing_the_stock_loses_no_unit(shop, product, client, admin):
    mug = product(stock=20)
    pk = mug.replace("_", "-")
    added = []

    def write():
        for _ in range(10):
            read = client.application.test_client().get(f"/products/{pk}")
            headers = {**admin, "If-Match": read.headers["ETag"]}
            body = {"stock": read.json["stock"] + 1}
            answer = client.application.test_client().patch(
                f"/products/{pk}", json=body, headers=headers
            )
            assert answer.status_code in (200, 412)
            if answer.status_code == 200:
                added.append(1)

    at_once(write, write, *[lambda n=n: shop.place(f"o{n}", **{mug: 1}) for n in range(10)])
    free, reserved, sold, _ = shop.counts(mug)
    assert free + reserved + sold == 20 + len(added)
    assert reserved == 10


# --- half done ---

STEPS = [
    (Product, "hold"),
    (Product, "settle"),
    (Reservation, "begin"),
    (Reservation, "reserve"),
    (Reservation, "reject"),
    (Reservation, "sell"),
    (Reservation, "release"),
    (Reservation, "begin_return"),
    (Reservation, "take_over"),
]


class Killed(BaseException):
    """The process is gone, and nothing of it runs any more."""


class Killer:
    """Kills at the n-th step, before it or right after it was done."""

    def __init__(self, monkeypatch):
        self.left = 0
        self.after = False
        self.dead = False
        for owner, name in STEPS:
            self._watch(monkeypatch, owner, name)

    def _watch(self, monkeypatch, owner, name):
        real = getattr(owner, name)

        def step(*args):
            if self.dead:
                raise Killed
            self.left -= 1
            if self.left == 0 and not self.after:
                self.dead = True
                raise Killed
            outcome = real(*args)
            if self.left == 0:
                self.dead = True
                raise Killed
            return outcome

        plain = step if not hasattr(real, "__self__") else staticmethod(step)
        monkeypatch.setattr(owner, name, plain)

    def at(self, count, after):
        self.left, self.after, self.dead = count, after, False

    def rest(self):
        self.left, self.dead = 0, False


@pytest.fixture
def killer(monkeypatch):
    monkeypatch.setattr(stock, "LEASE_SECONDS", 0)  # the dead do not come back
    return Killer(monkeypatch)


def total(shop, products):
    return [sum(shop.counts(p)[:3]) for p in products]


ACTS = {
    "reserve": ([], lambda shop, items: shop.place("o", **items), "reserved"),
    "reject": ([], lambda shop, items: shop.place("o", **items, unknown=1), "rejected"),
    "sell": (["place"], lambda shop, items: shop.confirm("o"), "sold"),
    "release": (["place"], lambda shop, items: shop.cancel("o"), "released"),
    "give back": (["place", "confirm"], lambda shop, items: shop.cancel("o"), "released"),
}
OUTCOMES = {"reserved": (7, 3, 0, 1), "sold": (7, 0, 3, 0)}


@pytest.mark.parametrize("recover", ["repeat", "sweep"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", ACTS)
def test_killed_at_any_step_nothing_is_lost_and_a_repeat_ends_it(
    shop, product, killer, name, after, recover
):
    before, action, state = ACTS[name]
    for step in itertools.count(1):
        Reservation.objects.delete()
        items = {product(): 3, product(): 3}
        for earlier in before:
            shop.place("o", **items) if earlier == "place" else shop.confirm("o")
        killer.at(step, after)
        killed = False
        try:
            action(shop, items)
        except Killed:
            killed = True
        killer.rest()
        assert total(shop, items) == [10, 10]
        later = now() + timedelta(seconds=stock.STALE_SECONDS + 1)
        if recover == "sweep":
            stock.sweep(later)
            assert total(shop, items) == [10, 10]
        action(shop, items)
        stock.sweep(later)
        assert shop.state("o") == state
        assert [shop.counts(p) for p in items] == [OUTCOMES.get(state, (10, 0, 0, 0))] * 2
        if not killed:
            break
    assert step > 3


@pytest.mark.parametrize("state", ["reserving", "returning"])
def test_the_sweep_alone_ends_what_died_halfway(shop, product, killer, state):
    mug = product()
    if state == "returning":
        shop.place("o", **{mug: 3})
        shop.confirm("o")
    killer.at(3, after=True)
    with pytest.raises(Killed):
        if state == "reserving":
            shop.place("o", **{mug: 3, product(): 1, product(): 1})
        else:
            shop.cancel("o")
    killer.rest()
    assert shop.state("o") == state
    stock.sweep()  # too soon: somebody may still be at it
    assert shop.state("o") == state
    stock.sweep(now() + timedelta(seconds=stock.STALE_SECONDS + 1))
    assert shop.state("o") == {"reserving": "reserved", "returning": "released"}[state]
    assert shop.counts(mug) == {"reserving": (7, 3, 0, 1), "returning": (10, 0, 0, 0)}[state]


@pytest.mark.parametrize("confirmed", [False, True])
def test_a_worker_that_was_given_up_but_lives_changes_nothing(
    shop, product, monkeypatch, confirmed
):
    monkeypatch.setattr(stock, "LEASE_SECONDS", 0)
    mug, pot = product(), product()
    real, slow = Product.hold, threading.Event()

    def hold(*args):
        """The first worker stops before its second item, until another has finished."""
        if not slow.is_set() and Product.objects(moves__order_id="o"):
            slow.set()
            shop.place("o", **{mug: 3, pot: 3})
            if confirmed:
                shop.confirm("o")
        return real(*args)

    monkeypatch.setattr(Product, "hold", staticmethod(hold))
    shop.place("o", **{mug: 3, pot: 3})
    assert slow.is_set()
    assert shop.state("o") == ("sold" if confirmed else "reserved")
    now_is = (7, 0, 3, 0) if confirmed else (7, 3, 0, 1)
    assert shop.counts(mug) == shop.counts(pot) == now_is


def test_a_sale_cut_short_is_finished_before_it_is_returned(shop, product, killer):
    mug = product()
    for order in ("other", "o"):
        shop.place(order, **{mug: 3})
    shop.confirm("other")
    killer.at(1, after=True)
    with pytest.raises(Killed):
        shop.confirm("o")
    killer.rest()
    assert (shop.state("o"), shop.counts(mug)) == ("sold", (4, 3, 3, 1))
    shop.cancel("o")
    assert shop.counts(mug) == (7, 0, 3, 0)  # what the other order bought is still sold


def test_a_cancelled_attempt_gives_back_what_it_holds(shop, product, monkeypatch):
    mug = product()
    real = Reservation.reserve

    def reserve(self):
        shop.cancel("o")
        return real(self)

    monkeypatch.setattr(Reservation, "reserve", reserve)
    shop.place("o", **{mug: 3})
    assert shop.state("o") == "released"
    assert shop.counts(mug) == (10, 0, 0, 0)
    assert shop.told("o") == []


def test_a_hold_whose_answer_was_lost_still_counts(shop, product, monkeypatch):
    mug, real = product(), Product.hold
    monkeypatch.setattr(Product, "hold", staticmethod(lambda *args: real(*args) and False))
    shop.place("o", **{mug: 3})
    assert shop.state("o") == "reserved"
    assert shop.counts(mug) == (7, 3, 0, 1)


def test_a_reservation_whose_own_answer_was_lost_is_kept(shop, product, monkeypatch):
    mug, real = product(), Reservation.reserve
    monkeypatch.setattr(Reservation, "reserve", lambda self: real(self) and None)
    shop.place("o", **{mug: 3})
    assert shop.state("o") == "reserved"
    assert shop.counts(mug) == (7, 3, 0, 1)


def test_the_sweep_leaves_what_waits_for_its_order(shop, product):
    mug = product()
    shop.place("o", **{mug: 3})
    stock.sweep(now() + timedelta(days=1))
    assert shop.counts(mug) == (7, 3, 0, 1)


def test_an_order_settles_in_any_order_of_its_events_with_any_repeats(shop, product):
    dice = random.Random(7)
    for _ in range(25):
        Reservation.objects.delete()
        mug = product()
        steps = ["place", "confirm", "cancel"] + dice.choices(["place", "confirm", "cancel"], k=4)
        dice.shuffle(steps)
        for step in steps:
            try:
                act(shop, step, mug)
            except NotReserved:
                pass  # parked
        assert shop.counts(mug) == (10, 0, 0, 0), steps


def test_settled_orders_leave_nothing_in_the_document(shop, product):
    mug = product(stock=10**6)
    pk = mug.replace("_", "-")

    def size():
        return len(bson.encode(Product._get_collection().find_one({"_id": pk})))

    before = size()
    for n in range(60):
        shop.place(f"o{n}", **{mug: 1})
        shop.confirm(f"o{n}")
    assert size() <= before + 64  # the counters grow from 32 to 64 bits, at most
    assert shop.counts(mug) == (10**6 - 60, 0, 60, 0)
    for n in range(0, 60, 10):
        shop.place(f"o{n}", **{mug: 1})
    assert shop.counts(mug) == (10**6 - 60, 0, 60, 0)
