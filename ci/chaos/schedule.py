"""What goes wrong when, and who buys what: all of it follows from the seed alone."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

LOAD_SECONDS = 6.0  # how long customers come in, and faults strike, in one round
CUSTOMERS = 6
PRODUCTS = 3
WEB = ["gateway-web", "users-web", "products-web", "orders-web", "notifications-web"]
WORKERS = ["users-worker", "products-worker", "orders-worker", "notifications-worker"]
DATABASES = ["users-db", "products-db", "orders-db", "notifications-db"]
LISTENERS = ["products", "orders", "notifications"]
# Each kind of fault, what it may strike, and for how many seconds (from, to).
KINDS: dict[str, tuple[list[str], float, float]] = {
    "kill": (WEB + 2 * WORKERS, 0, 0),
    "stop": (WORKERS, 0, 0),
    "kill-database": (DATABASES, 0, 0),
    "hang-database": (DATABASES, 0.5, 2),
    "refused-writes": (DATABASES, 1, 4),
    "slow-consumer": (WORKERS, 1, 4),
    "overtaken": (["products-worker"], 1, 3),
    "broker-away": (["broker"], 1, 4),
    "broker-restart": (["broker"], 0.5, 2),
    "broker-cut": (["broker"], 0, 0),
    "lost-confirms": (["broker"], 0.2, 1),
    "lost-publishes": (["broker"], 0.2, 1),
    "cache-away": (["cache"], 1, 4),
    "cache-restart": (["cache"], 0.5, 2),
    "cache-flush": (["cache"], 0, 0),
    "copies": (LISTENERS, 0, 0),
    "shuffled-copies": (["broker"], 0, 0),
    "held-back": (LISTENERS, 1, 3),
    "poison": (LISTENERS, 0, 0),
    "cancel-first": (["broker"], 0, 0),
    "late-copies": (["broker"], 0, 0),
}
AFTERWARDS = {"late-copies"}  # they come when all is settled
ON_REQUEST = {"overtaken"}  # they strike only where they are named, so that old seeds replay
Choice = tuple[str, list[str]]  # a kind, and the targets that are drawn from


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, `at` seconds after the first customer came."""

    at: float
    kind: str
    target: str
    seconds: float
    seed: int  # for what is left to chance within it

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        when = "afterwards" if self.kind in AFTERWARDS else f"at {self.at:.2f} s"
        return f"{when}: {self.kind} {self.target}{lasting}"


@dataclass(frozen=True)
class Wish:
    """One order that a customer wants, whatever it takes."""

    at: float
    key: str
    items: tuple[tuple[int, int], ...]  # (which product, how many), in the order they are named
    repeats: int  # so often it is sent again after it was answered
    cancelled_after: float | None


@dataclass(frozen=True)
class Write:
    """An admin changes the free units of a product by `change`."""

    at: float
    product: int
    change: int


@dataclass(frozen=True)
class Round:
    """Everything that one seed decides."""

    seed: int
    stock: list[int]
    wishes: list[list[Wish]]  # of each customer
    writes: list[Write]
    faults: list[Fault]


def choices_of(text: str) -> list[Choice]:
    """The kinds in `kill,hang-database:orders-db`, the second at one target. Raises ValueError."""
    choices = []
    for word in text.split(",") if text else []:
        kind, _, target = word.partition(":")
        targets = KINDS[kind][0] if kind in KINDS else []
        if not targets or (target and target not in targets):
            raise ValueError(word)
        choices.append((kind, [target] if target else targets))
    return choices


def round_of(seed: int, orders: int, faults: int, only: list[Choice]) -> Round:
    """The same round for the same words, on every machine; with these faults or any."""
    chance = Random(f"shop {seed}")
    wishes: list[list[Wish]] = [[] for _ in range(CUSTOMERS)]
    for number in range(orders):
        wishes[number % CUSTOMERS].append(_wish(chance, f"{seed}-{number}"))
    wanted = [0] * PRODUCTS
    for wish in (wish for each in wishes for wish in each):
        for product, quantity in wish.items:
            wanted[product] += quantity
    return Round(
        seed=seed,
        stock=[units // 2 for units in wanted],  # too few for all
        wishes=[sorted(each, key=lambda wish: wish.at) for each in wishes],
        writes=[
            Write(chance.uniform(0.5, LOAD_SECONDS), n % PRODUCTS, chance.choice([-4, -1, 2, 5]))
            for n in range(4)
        ],
        faults=sorted((_fault(chance, *drawn) for drawn in _draw(chance, faults, only)), key=_when),
    )


def _wish(chance: Random, key: str) -> Wish:
    # two products are named in either order, so that orders meet from opposite ends
    products = chance.sample(range(PRODUCTS), chance.choice([1, 2, 2]))
    return Wish(
        at=chance.uniform(0, LOAD_SECONDS),
        key=key,
        items=tuple((product, chance.randint(1, 3)) for product in products),
        repeats=chance.choice([0, 0, 0, 1, 3]),
        cancelled_after=chance.choice([*[None] * 7, 0.0, 0.2, 1.0]),
    )


def _draw(chance: Random, count: int, only: list[Choice]) -> list[Choice]:
    """Of `only`, each in turn. Else a process dies in every round, and the rest is drawn."""
    if only:
        return [only[n % len(only)] for n in range(count)]
    drawn = chance.choices([kind for kind in KINDS if kind not in ON_REQUEST], k=count - 1)
    kinds = ["kill", *drawn][:count]
    return [(kind, KINDS[kind][0]) for kind in kinds]


def _fault(chance: Random, kind: str, targets: list[str]) -> Fault:
    _, least, most = KINDS[kind]
    return Fault(
        at=chance.uniform(0.3, LOAD_SECONDS),
        kind=kind,
        target=chance.choice(targets),
        seconds=round(chance.uniform(least, most), 1),
        seed=chance.getrandbits(32),
    )


def _when(fault: Fault) -> tuple[bool, float]:
    return fault.kind in AFTERWARDS, fault.at
