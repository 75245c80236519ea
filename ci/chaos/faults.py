"""The faults themselves: each method is a kind of schedule.KINDS."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import uuid
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from doors import Door
from given import LeftOut
from schedule import Fault
from servers import Redis, restart_rabbitmq
from stores import Stores
from tap import Tap
from twins import twin_of

COPIES = 50
HAND_SECONDS = 10  # how long a worker is waited for to have an order in hand, and then to lose it
DISK_FULL, NO_PRIMARY = 14031, 10107  # as MongoDB refuses a write


class Faults:
    """Lets things go wrong in a running shop, and puts right what does not heal by itself."""

    def __init__(
        self, run: Path, broker: Door, cache: Door, redis: Redis, stores: Stores, tap: Tap
    ) -> None:
        self.run, self.broker, self.cache, self.redis = run, broker, cache, redis
        self.stores, self.tap = stores, tap
        self.poison: set[tuple[str, str]] = set()  # (listener, event id)
        self.forestalled: set[str] = set()  # orders that were cancelled before they were placed
        self.failed: list[str] = []  # what did not go wrong as it should
        self._stopped: set[int] = set()
        self._twins: list[subprocess.Popen] = []
        self._overtaking = threading.Lock()

    def strike(self, fault: Fault) -> None:
        """Do it; returns when it is over."""
        try:
            getattr(self, f"_{fault.kind.replace('-', '_')}")(fault, Random(fault.seed))
        except LeftOut as why:
            print(f"left out: {fault}: {why}", flush=True)
        except Exception as error:  # the edge of a thread: told when the round is over
            self.failed.append(f"{fault}: {error!r}")

    def calm(self) -> None:
        """Nothing is held, shut or stopped any longer."""
        for pid in list(self._stopped):
            self._signal(pid, signal.SIGCONT)
        self.broker.open()
        self.cache.open()
        for twin in self._twins:
            twin.terminate()
            twin.wait(60)

    def pids(self, name: str) -> list[int]:
        """The process that supervisord knows by this name, then its children."""
        supervisor = int((self.run / "supervisord.pid").read_text())
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "environ").read_bytes().split(b"\0")
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue  # it has ended
            mine = f"SHOP_RUN={self.run}".encode() in words
            if mine and f"SUPERVISOR_PROCESS_NAME={name}".encode() in words:
                found.append((parent != supervisor, int(folder.name)))
        return [pid for _, pid in sorted(found)]

    def _kill(self, fault: Fault, chance: Random) -> None:
        """kill -9 of the process, of one of its children, or of all of them at once."""
        pids = self.pids(fault.target)
        for pid in chance.choice([pids, pids[:1], pids[-1:]]):
            self._signal(pid, signal.SIGKILL)

    def _stop(self, fault: Fault, chance: Random) -> None:
        for pid in self.pids(fault.target)[:1]:
            self._signal(pid, signal.SIGTERM)

    def _kill_database(self, fault: Fault, chance: Random) -> None:
        if self.stores.given:
            self.stores.given.kill()
            return
        for pid in self.pids(fault.target):
            self._signal(pid, signal.SIGKILL)

    def _hang_database(self, fault: Fault, chance: Random) -> None:
        if self.stores.given:
            self.stores.given.hang(fault.seconds)
        else:
            self._slow_consumer(fault, chance)

    def _slow_consumer(self, fault: Fault, chance: Random) -> None:
        pids = self.pids(fault.target)
        for pid in pids:
            self._signal(pid, signal.SIGSTOP)
        time.sleep(fault.seconds)
        for pid in pids:
            self._signal(pid, signal.SIGCONT)

    def _overtaken(self, fault: Fault, chance: Random) -> None:
        """A worker freezes over an order, a second one takes that over, and the first goes on."""
        with self._overtaking:  # another strike would let the frozen one go on
            for pid in self.pids(fault.target)[:1]:
                if not (order := self._freeze(pid)):
                    return
                if twin := twin_of(pid, self.run / f"logs/{fault.target}-{fault.seed}.log"):
                    self._twins.append(twin)
                    self.broker.cut()
                    deadline = time.monotonic() + HAND_SECONDS
                    while self._in_hand(order) and time.monotonic() < deadline:
                        time.sleep(0.05)
                    time.sleep(fault.seconds)
                self._signal(pid, signal.SIGCONT)
                time.sleep(1)  # so that it ends what it began before another strike

    def _freeze(self, pid: int) -> list[str]:
        """Stop a worker of products before it holds all of an order; the order, or none came."""
        deadline = time.monotonic() + HAND_SECONDS
        while time.monotonic() < deadline:
            if order := self._in_hand():
                self._signal(pid, signal.SIGSTOP)
                time.sleep(0.1)
                if any(self._half_held(one) for one in self._in_hand(order)):
                    return order
                self._signal(pid, signal.SIGCONT)
            time.sleep(0.005)
        return []

    def _in_hand(self, among: list[str] | None = None) -> list[str]:
        wanted = {"state": "reserving"} | ({"_id": {"$in": among}} if among else {})
        found = self.stores.find("products", "reservations", wanted, "state")
        return [reservation["_id"] for reservation in found]

    def _half_held(self, order: str) -> bool:
        """Whether there are products that the worker is still to take units of."""
        [reservation] = self.stores.find("products", "reservations", {"_id": order}, "items")
        held = self.stores.find("products", "products", {"moves.order_id": order}, "stock")
        return len(held) < len(reservation["items"])

    def _refused_writes(self, fault: Fault, chance: Random) -> None:
        """A database answers what is read, and refuses what is written."""
        service = fault.target.removesuffix("-db")
        self.stores.refuse_writes(service, chance.choice([DISK_FULL, NO_PRIMARY]))
        time.sleep(fault.seconds)
        self.stores.take_writes(service)

    def _broker_away(self, fault: Fault, chance: Random) -> None:
        self.broker.shut()
        time.sleep(fault.seconds)
        self.broker.open()

    def _broker_restart(self, fault: Fault, chance: Random) -> None:
        """RabbitMQ itself stops and starts again; behind a door, where it is not our process."""
        if not restart_rabbitmq(urlsplit(self.tap.url).port, fault.seconds):
            self._broker_away(fault, chance)

    def _broker_cut(self, fault: Fault, chance: Random) -> None:
        self.broker.cut()

    def _lost_confirms(self, fault: Fault, chance: Random) -> None:
        """The broker takes events, but nobody hears that it did, and the connections drop."""
        self.broker.deaf = True
        time.sleep(fault.seconds)
        self.broker.cut()
        self.broker.deaf = False

    def _lost_publishes(self, fault: Fault, chance: Random) -> None:
        """What is sent to the broker vanishes on the way, and then the connections drop."""
        self.broker.mute = True
        time.sleep(fault.seconds)
        self.broker.cut()
        self.broker.mute = False

    def _cache_away(self, fault: Fault, chance: Random) -> None:
        self.cache.shut()
        time.sleep(fault.seconds)
        self.cache.open()

    def _cache_restart(self, fault: Fault, chance: Random) -> None:
        """Redis itself ends and starts again; behind a door, where it is not our process."""
        number = chance.choice([signal.SIGTERM, signal.SIGKILL])
        if not self.redis.restart(number, fault.seconds):
            self._cache_away(fault, chance)

    def _cache_flush(self, fault: Fault, chance: Random) -> None:
        self.redis.flush()

    def _copies(self, fault: Fault, chance: Random) -> None:
        """Fifty copies of one event at once, straight into a listener's queue."""
        kinds = {
            "products": ("order.placed", "order.confirmed", "order.cancelled"),
            "orders": ("stock.reserved", "stock.rejected"),
            "notifications": ("order.placed", "order.confirmed", "order.cancelled"),
        }[fault.target]
        if events := self.tap.events(*kinds):
            event = chance.choice(events[-10:])
            self.tap.publish([event] * COPIES, f"{fault.target}.events")

    def _shuffled_copies(self, fault: Fault, chance: Random) -> None:
        events = self.tap.events()[-COPIES:]
        chance.shuffle(events)
        self.tap.publish(events)

    def _late_copies(self, fault: Fault, chance: Random) -> None:
        events = self.tap.events()[-4 * COPIES :]
        chance.shuffle(events)
        self.tap.publish(events)

    def _held_back(self, fault: Fault, chance: Random) -> None:
        """Half of what comes for a listener reaches it late, and the last first."""
        self.tap.hold_back(f"{fault.target}.events", fault.seconds)

    def _poison(self, fault: Fault, chance: Random) -> None:
        """An event that no handler can take."""
        kind = "stock.reserved" if fault.target == "orders" else "order.placed"
        event = crafted(f"poison-{uuid.UUID(int=chance.getrandbits(128))}", kind, {})
        self.poison.add((fault.target, event["id"]))
        self.tap.publish([event], f"{fault.target}.events")

    def _cancel_first(self, fault: Fault, chance: Random) -> None:
        """An order whose cancel overtakes it; nothing may be reserved for it."""
        placed = self.tap.events("order.placed")
        order, customer = (str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(2))
        data = {"order_id": order, "customer_id": customer}
        items = placed[-1]["data"] if placed else {"items": [], "total": None}
        first = crafted(f"{order}-2", "order.cancelled", data)
        second = crafted(f"{order}-1", "order.placed", {**items, **data})
        self.forestalled.add(order)
        for event in (first, second):
            self.tap.publish([event], "products.events")

    def _signal(self, pid: int, number: signal.Signals) -> None:
        try:
            self._send(pid, number)
        except ProcessLookupError:
            return
        if number == signal.SIGSTOP:
            self._stopped.add(pid)
        elif number == signal.SIGCONT:
            self._stopped.discard(pid)

    def _send(self, pid: int, number: signal.Signals) -> None:
        """Raises ProcessLookupError."""
        os.kill(pid, number)


def crafted(event_id: str, kind: str, data: dict) -> dict:
    """An event that nobody told."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/chaos",
        "type": kind,
        "subject": data.get("order_id", "nobody"),
        "time": "2026-01-01T00:00:00.000Z",
        "datacontenttype": "application/json",
        "sequence": 1,
        "data": data,
    }
