"""How the stock of an order is reserved, sold and given back, without a transaction.

Units move in two steps, each one write: `hold` takes them from a counter into `reserved` under
this attempt, `settle` brings them on. Between the steps a worker may die: the reservation tells
where the units belong, and a repeat of the event, or `sweep`, brings them there. Every step may
run twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from mongoengine import NotUniqueError

from .chassis.logs import log
from .chassis.outbox import now
from .errors import Busy, NotReserved
from .models import Product
from .reservations import Item, Reservation

# No worker needs so long for an order: it died, or lost its connection. Should it only have been
# slow, its attempt no longer counts, and it finds out.
STALE_SECONDS = 10.0
# Between a worker and a repeat of its event: without it, copies that come at once would take the
# order out of each other's hands for ever.
LEASE_SECONDS = 0.5
TRIES = 5


def reserve_stock(order_id: str, wanted: Iterable[Mapping[str, Any]]) -> None:
    """Set `wanted` ({product_id, quantity}) aside for an order, all of it or nothing.

    Asked again, it gives the same answer again. Raises Busy.
    """
    try:
        reservation = Reservation.begin(order_id, _items(wanted))
    except NotUniqueError:
        before = Reservation.objects.get(id=order_id)
        if before.state != "reserving":
            _answer_again(before)
            return
        reservation = _take_over(before)
    _reserve(reservation)


def sell_stock(order_id: str) -> None:
    """The order is confirmed: what was reserved for it is sold. Raises NotReserved."""
    reservation = Reservation.objects(id=order_id).first()
    if reservation and reservation.state == "reserved":
        reservation = reservation.sell() or Reservation.objects.get(id=order_id)
    state = reservation.state if reservation else "unknown"
    if state == "sold":
        _settle_all(reservation, "sold")
    elif state not in ("returning", "released"):
        raise NotReserved(f"order {order_id} is confirmed, but its stock is {state}")


def release_stock(order_id: str) -> None:
    """The order is off: what it has becomes free again. Raises Busy."""
    reservation = Reservation.objects(id=order_id).first()
    if reservation is None:
        try:
            Reservation.forestall(order_id)  # order.placed is still to come, and finds this
            return
        except NotUniqueError:
            reservation = Reservation.objects.get(id=order_id)
    if reservation.state in ("reserving", "reserved"):
        # an attempt in progress loses by this, and gives back what it holds
        if not reservation.release():
            raise Busy(order_id)
    elif reservation.state == "sold":
        _settle_all(reservation, "sold")  # a sale cut short must not be undone to free units
        returning = reservation.begin_return()
        if not returning:
            raise Busy(order_id)
        _return(returning)
        return
    elif reservation.state == "returning":
        _return(_take_over(reservation))
        return
    _settle_open(reservation)


def sweep(at: datetime | None = None, moved: Callable[[], None] = lambda: None) -> None:
    """Finish what died halfway, and bring home the units it left on the way.

    `moved` is called whenever units may have moved.
    """
    since = (at or now()) - timedelta(seconds=STALE_SECONDS)
    for reservation in Reservation.unfinished(since):
        try:
            finish = _reserve if reservation.state == "reserving" else _return
            finish(_take_over(reservation))
        except Busy:
            log.warning("stock.unfinished", order_id=reservation.id)
        finally:  # also when it failed: a write whose answer was lost may have happened
            moved()
    for product in Product.objects(moves__at__lte=since).only("id", "moves"):
        stale = [move.order_id for move in product.moves if move.at <= since]
        _bring_home([product], stale, moved)


def _reserve(reservation: Reservation) -> None:
    """Take the one attempt to its end, or lose it to another worker and give back."""
    try:
        short = _hold_all(reservation, "stock")
        if not (reservation.reject(short) if short else reservation.reserve()):
            raise Busy(reservation.id)
    except Busy:
        _settle_open(reservation)
        if Reservation.objects.get(id=reservation.id).state == "reserving":
            raise
    else:
        if short:
            _settle_all(reservation, "stock")


def _return(reservation: Reservation) -> None:
    """As `_reserve`, the other way: from sold, by way of reserved, to free."""
    try:
        # short is only what an overtaken attempt of another return holds for a moment
        if _hold_all(reservation, "sold") or not reservation.release():
            raise Busy(reservation.id)
    except Busy:
        _settle_open(reservation)
        if Reservation.objects.get(id=reservation.id).state == "returning":
            raise
    else:
        _settle_all(reservation, "stock")


def _hold_all(reservation: Reservation, source: str) -> list[dict[str, Any]]:
    """Hold every item; what is short, as {product_id, requested, left}: then not all is held."""
    short = []
    for item in reservation.items:
        left = _hold(reservation, item, source, look_only=bool(short))
        if left is not None:
            short.append({"product_id": item.product_id, "requested": item.quantity, "left": left})
    return short


def _hold(reservation: Reservation, item: Item, source: str, look_only: bool) -> int | None:
    """None if the item is held (or, `look_only`, could be), else how many are left."""
    for _ in range(TRIES):
        held = not look_only and Product.hold(
            item.product_id, reservation.id, reservation.attempt, item.quantity, source
        )
        if held:
            return None
        product = Product.objects(id=item.product_id).first()
        if product is None or (source == "stock" and product.deleted_at):
            return 0
        move = next((m for m in product.moves if m.order_id == reservation.id), None)
        if move and move.attempt == reservation.attempt:
            return None  # held before; only the answer to that was lost
        if move:
            # Asked after the move was seen: if this attempt counts, that one never will again.
            if not Reservation.objects(id=reservation.id, attempt=reservation.attempt):
                break
            Product.settle(
                item.product_id, reservation.id, move.attempt, move.quantity, move.source
            )
        elif product[source] < item.quantity:
            return product[source]
        elif look_only:
            return None
    raise Busy(reservation.id)


def _take_over(reservation: Reservation) -> Reservation:
    """The same under a fresh attempt, unless somebody is at it. Raises Busy."""
    leased = reservation.updated_at > now() - timedelta(seconds=LEASE_SECONDS)
    taken = None if leased else reservation.take_over()
    if taken is None:
        raise Busy(reservation.id)
    return taken


def _answer_again(reservation: Reservation) -> None:
    if reservation.state in ("reserved", "sold", "rejected"):
        Reservation.tell_again(reservation.id, reservation.answer)
    _settle_open(reservation)


def _settle_all(reservation: Reservation, target: str) -> None:
    """Bring all that this attempt holds to `target`."""
    for item in reservation.items:
        Product.settle(item.product_id, reservation.id, reservation.attempt, item.quantity, target)


def _settle_open(reservation: Reservation) -> None:
    """Bring home what any attempt of this order still holds."""
    ids = [item.product_id for item in reservation.items]
    if ids:
        _bring_home(Product.objects(id__in=ids).only("id", "moves"), [reservation.id])


def _bring_home(
    products: Iterable[Product], order_ids: list[str], moved: Callable[[], None] = lambda: None
) -> None:
    """Settle the open moves of some orders to where their reservations say."""
    open_moves = [(p.id, move) for p in products for move in p.moves if move.order_id in order_ids]
    if not open_moves:
        return
    # Read after the moves: an attempt that does not count now never will, a sale stays a sale.
    reservations = Reservation.objects.in_bulk(list({move.order_id for _, move in open_moves}))
    for product_id, move in open_moves:
        reservation = reservations.get(move.order_id)
        target = reservation.place_of(move) if reservation else move.source
        if target:
            try:
                Product.settle(product_id, move.order_id, move.attempt, move.quantity, target)
            finally:
                moved()


def _items(wanted: Iterable[Mapping[str, Any]]) -> list[Item]:
    """Each product once, and in one order for everybody: of two orders for the same one wins."""
    counts: Counter[str] = Counter()
    for item in wanted:
        counts[item["product_id"]] += item["quantity"]
    return [Item(product_id=pk, quantity=count) for pk, count in sorted(counts.items())]
