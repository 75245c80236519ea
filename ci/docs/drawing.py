"""The drawing of the shop: who asks whom and who keeps what where, as compose.yaml tells them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import arrows
import cluster
from committed import contracts

WHY = {"PRODUCTS_URL": "prices"}  # what is asked of another service, by the variable that names it
KEYS = "JWKS_URL"  # who is asked for keys is by all: a word in the box, and no arrows


def mermaid() -> str:
    """The drawing, as Mermaid reads it."""
    needs = {(by.removesuffix("-worker"), to) for by, to, _ in arrows.of_compose()}
    services = [name for name in cluster.processes() if not name.endswith("-worker")]
    (door,) = (to for by, to in needs if by == arrows.WORLD)
    behind = [name for name in services if name != door]
    lines = ["flowchart LR", f"  world([the world]) --> {_box(door, services)}"]
    lines.append(f"  {door} --> {_all(_box(name, services) for name in behind)}")
    lines += [f"  {by} -- {why} --> {to}" for by, why, to in _questions(behind)]
    lines += [f"  {name} {_events(name)} rabbitmq{{{{RabbitMQ}}}}" for name in behind]
    kept = [name for name in services if (name, "mongo") in needs]
    lines += [f"  {name} --- {name}-db[(MongoDB<br>{name})]" for name in kept]
    cached = [name for name in services if (name, "redis") in needs]
    return "\n".join([*lines, f"  {_all(cached)} --- redis[(Redis)]"])


def _questions(services: list[str]) -> Iterator[tuple[str, str, str]]:
    """Which service asks which, and for what."""
    for name in services:
        for variable, other, _ in arrows.asked(name):
            if variable != KEYS:
                yield name, WHY[variable], other


def _events(name: str) -> str:
    """The line from a service to the broker: whether it tells events, hears some, or both."""
    tells, hears = contracts()[name].get("webhooks"), contracts()[name]["x-hears"]["events"]
    if tells and hears:
        return "<-. tells, hears .->"
    return "-. tells .->" if tells else "-. hears .-"


def _box(name: str, services: list[str]) -> str:
    (port,) = {port for _, to, port in arrows.of_compose() if to == name}
    askers = [
        by
        for by in services
        for variable, other, _ in arrows.asked(by)
        if (variable, other) == (KEYS, name)
    ]
    assert not askers or {*askers, name} == {*services}, f"only {askers} ask {name} for keys"
    return f"{name}[{name}<br>:{port}{'<br>keys for all' if askers else ''}]"


def _all(names: Iterable[str]) -> str:
    return " & ".join(names)
