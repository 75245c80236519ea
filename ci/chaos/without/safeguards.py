"""Switches safeguards of the services off, from outside: sitecustomize calls it.

CHAOS_WITHOUT names the safeguards. The code of the shop knows nothing of it; a module is changed
right after it was imported.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Callable
from types import ModuleType

Change = Callable[[ModuleType], None]


def _nothing(*_: object, **__: object) -> None:
    """What a safeguard does that is switched off."""


def _confirm(broker: ModuleType) -> None:
    def connect(url: str, service: str) -> object:
        return broker.Connection(url, heartbeat=broker.HEARTBEAT_SECONDS, connect_timeout=5)

    broker.connect = connect


def _conditional_update(models: ModuleType) -> None:
    def hold(cls: type, pk: str, order_id: str, attempt: str, quantity: int, source: str) -> bool:
        moment = models.now()
        move = models.Move(
            order_id=order_id, attempt=attempt, quantity=quantity, source=source, at=moment
        )
        counts = {source: -quantity, "reserved": quantity, "version": 1}
        held = {"$inc": counts, "$push": {"moves": move.to_mongo().to_dict()}}
        return bool(cls.objects(__raw__={"_id": pk}).update_one(__raw__=held))

    models.Product.hold = classmethod(hold)


def _attempt(reservations: ModuleType) -> None:
    """Whoever is at a reservation changes it, whatever became of it since it was read."""

    def change(
        self: object,
        state: str,
        event: dict | None = None,
        *,
        answers: bool = False,
        attempt: str | None = None,
    ) -> object:
        changes = {"push__outbox": reservations.entry(event)} if event else {}
        if answers:
            changes["set__answer"] = event
        return reservations.Reservation.objects(id=self.id).modify(
            new=True,
            set__state=state,
            set__attempt=attempt or self.attempt,
            set__updated_at=reservations.now(),
            inc__version=1,
            **changes,
        )

    reservations.Reservation._change = change


def _unique_key(models: ModuleType) -> None:
    models.Notification._meta["index_specs"] = []


def _idempotency_key(use_cases: ModuleType) -> None:
    use_cases._of_key = _nothing
    use_cases.Order._meta["index_specs"] = []


def _saga_timeout(use_cases: ModuleType) -> None:
    use_cases.look_after_pending = _nothing


def _giving_up(models: ModuleType) -> None:
    """What is asked again stays pending until it is answered."""
    reject = models.Order.reject

    def reject_if_answered(order: object, reason: str, short: list[object]) -> object:
        return None if reason == "timeout" else reject(order, reason, short)

    models.Order.reject = reject_if_answered


def _answer_again(stock: ModuleType) -> None:
    stock._answer_again = stock._settle_open


def _parking(parking: ModuleType) -> None:
    parking.Parking.park = _nothing


def _give_back(stock: ModuleType) -> None:
    stock.release_stock = _nothing


def _late_acknowledgement(consumer: ModuleType) -> None:
    handle = consumer.Consumer.on_message

    def on_message(self: object, message: object) -> None:
        message.ack()
        message.ack = _nothing
        handle(self, message)

    consumer.Consumer.on_message = on_message


# Each safeguard: the end of the module's name, and what is changed in it.
SAFEGUARDS: dict[str, tuple[str, Change]] = {
    "confirm": (".chassis.broker", _confirm),
    "conditional-update": ("products.models", _conditional_update),
    "attempt": ("products.reservations", _attempt),
    "unique-key": ("notifications.models", _unique_key),
    "idempotency-key": ("orders.use_cases", _idempotency_key),
    "saga-timeout": ("orders.use_cases", _saga_timeout),
    "giving-up": ("orders.models", _giving_up),
    "answer-again": ("products.stock", _answer_again),
    "parking": (".chassis.parking", _parking),
    "give-back": ("products.stock", _give_back),
    "late-acknowledgement": (".chassis.consumer", _late_acknowledgement),
}


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules as usual, and changes the one that is meant."""

    def __init__(self, ending: str, change: Change) -> None:
        self.ending, self.change = ending, change

    def find_spec(self, name: str, path: object, target: object = None) -> object:
        if not name.endswith(self.ending):
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec and spec.loader:
            run = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                self.change(module)

            spec.loader.exec_module = exec_module
        return spec


def switch_off() -> None:
    """Change what CHAOS_WITHOUT names as soon as this process imports it."""
    for name in filter(None, os.environ.get("CHAOS_WITHOUT", "").split(",")):
        sys.meta_path.insert(0, _Finder(*SAFEGUARDS[name]))
