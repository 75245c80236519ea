"""Rows that place orders: beside the peer, and how soon one is confirmed."""

from __future__ import annotations

import statistics

import events
import peers
from ours import Ours
from outcome import Outcome
from reads import product_paths
from rounds import Options, interleaved, p99, rates

BACKLOG = 50  # orders that are accepted and not yet confirmed
PACE = 20  # orders a second


def mixed_paths(products: list[str] | tuple[str, ...], orders: tuple[str, ...]) -> list[str]:
    """Of nineteen reads fourteen are products, three pages, and two orders."""
    return [
        *product_paths(products)[:14],
        *(f"/products?limit={limit}" for limit in (20, 20, 10)),
        *(f"/orders/{order}" for order in orders[:2]),
    ]


def mixed(ours: Ours, options: Options) -> Outcome:
    """95 % reads and 5 % orders through the gateway"""
    outcome = Outcome()
    with peers.express(ours.shop.run) as peer:
        mine = mixed_paths(ours.shop.products, ours.orders)
        targets = {
            "shop": ours.target(*mine, order_every=20),
            "peer": peer.target(*mixed_paths(peer.products, peer.orders), order_every=20),
        }
        runs = interleaved(targets, options, after=ours.wait_settled)
    rate = rates(outcome, runs)
    outcome.at_least("requests/s to the peer's", 1.5, rate["shop"] / rate["peer"])
    outcome.report("p99 to the peer's", f"{p99(runs['shop']) / p99(runs['peer']):.2f}×")
    return outcome


def place(ours: Ours, options: Options) -> Outcome:
    """orders accepted through the gateway"""
    outcome = Outcome()
    with peers.express(ours.shop.run) as peer:
        targets = {
            "shop": ours.target("/products", order_every=1),
            "peer": peer.target("/products", order_every=1),
        }
        runs = interleaved(targets, options, after=ours.wait_settled)
    rate = rates(outcome, runs)
    outcome.at_least("orders/s to the peer's", 1.0, rate["shop"] / rate["peer"])
    both = [events.steady(ours.shop, BACKLOG, options.seconds) for _ in range(options.rounds)]
    ours.wait_settled()
    accepted = outcome.add("shop, steadily: accepted", "orders/s", [each[0] for each in both])
    confirmed = outcome.add("shop, steadily: confirmed", "orders/s", [each[1] for each in both])
    outcome.report(
        f"with a steady backlog of {BACKLOG}",
        f"{accepted:.0f} orders/s accepted, {confirmed:.0f} confirmed",
    )
    outcome.note = (
        "What was accepted is waited for, until no order is pending and no event untold, before "
        "the peer has its turn. The peer saves an order and tells a queue; nothing is confirmed."
    )
    return outcome


def latency(ours: Ours, options: Options) -> Outcome:
    """from an order's write to its confirmation, at 20 orders a second on RabbitMQ"""
    outcome = Outcome()
    spans = events.paced(ours.shop, PACE, options.rounds * options.seconds)
    found = {}
    for name, seconds in spans.items():
        cuts = [cut * 1000 for cut in statistics.quantiles(seconds, n=100)]
        found[name] = cuts[49], cuts[98]
        outcome.add(f"{name}, p50", "ms", [cuts[49]])
        outcome.add(f"{name}, p99", "ms", [cuts[98]])
    p50, last = found["order written -> order confirmed"]
    outcome.at_most("p50", 60, p50, " ms")
    outcome.at_most("p99", 250, last, " ms")
    outcome.how = f"one run of {options.rounds * options.seconds} s"
    outcome.note = f"{len(seconds)} orders, each timed by the services' own logs."
    return outcome
