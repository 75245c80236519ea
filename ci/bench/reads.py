"""Rows that read: the shop, the peer, nginx and the bare view in turn, round after round."""

from __future__ import annotations

from collections.abc import Sequence

import load
import peers
import processes
from load import Run, Target
from ours import Ours
from outcome import Outcome
from rounds import Options, counted, interleaved, p99, rates


def product_paths(products: Sequence[str]) -> list[str]:
    """Twenty products, in turn."""
    return [f"/products/{product}" for product in products[:20]]


def cached(ours: Ours, options: Options) -> Outcome:
    """a cached product through the gateway"""
    run, outcome = ours.shop.run, Outcome()
    with peers.express(run) as peer, peers.floor(run) as (bare, _):
        targets = {
            "shop": ours.target(*product_paths(ours.shop.products)),
            "peer": peer.target(*product_paths(peer.products)),
            "bare Flask view": Target(bare, ("/",)),
        }
        runs = interleaved(targets, options)
    rate = rates(outcome, runs)
    outcome.at_least("requests/s to the peer's", 2.0, rate["shop"] / rate["peer"])
    outcome.at_most("p99 to the peer's", 1.0, p99(runs["shop"]) / p99(runs["peer"]))
    outcome.at_least("requests/s to a bare view's", 0.8, rate["shop"] / rate["bare Flask view"])
    return outcome


def page(ours: Ours, options: Options) -> Outcome:
    """a page of 20 products through the gateway"""
    outcome = Outcome()
    with peers.express(ours.shop.run) as peer:
        path = "/products?limit=20"
        runs = interleaved({"shop": ours.target(path), "peer": peer.target(path)}, options)
    rate = rates(outcome, runs)
    outcome.at_least("requests/s to the peer's", 2.0, rate["shop"] / rate["peer"])
    return outcome


def order(ours: Ours, options: Options) -> Outcome:
    """an order, with a token, that nothing may cache, through the gateway"""
    run, outcome = ours.shop.run, Outcome()
    with peers.express(run) as peer, peers.nginx(run, ours.port("orders")) as nginx:
        mine = [f"/orders/{order}" for order in ours.orders]
        through = ours.target(*mine)
        targets = {
            "shop": through,
            "peer": peer.target(*(f"/orders/{order}" for order in peer.orders)),
            "nginx before our orders": Target(nginx, through.paths, through.token),
        }
        rate = rates(outcome, interleaved(targets, options))
    outcome.at_least("requests/s to the peer's", 1.5, rate["shop"] / rate["peer"])
    outcome.at_least("requests/s to nginx's", 0.7, rate["shop"] / rate["nginx before our orders"])
    return outcome


def gateway_cost(ours: Ours, options: Options) -> Outcome:
    """what the gateway itself costs for each request"""
    run, outcome = ours.shop.run, Outcome()
    with peers.express(run) as peer, peers.floor(run) as (bare, bare_pid):
        measured = {
            "gateway, a product it keeps": (
                ours.target(*product_paths(ours.shop.products)),
                ours.pid("gateway-web"),
            ),
            "gateway, an order": (
                ours.target(*(f"/orders/{order}" for order in ours.orders)),
                ours.pid("gateway-web"),
            ),
            "bare Flask view": (Target(bare, ("/",)), bare_pid),
            "peer's gateway, a product": (
                peer.target(*product_paths(peer.products)),
                peer.gateway,
            ),
        }
        load.warm_up({who: target for who, (target, _) in measured.items()})
        cost: dict[str, list[float]] = {who: [] for who in measured}
        for _ in range(options.rounds):
            for who, (target, pid) in measured.items():
                before = processes.cpu_seconds([pid])
                done = counted(who, load.run(target, options.seconds))
                used = processes.cpu_seconds([pid]) - before
                cost[who].append(used / done.requests * 1e6)
    median = {who: outcome.add(who, "µs of a core each", of) for who, of in cost.items()}
    floor = median["bare Flask view"]
    outcome.at_most("an order, to a bare view", 1.5, median["gateway, an order"] / floor)
    kept = median["gateway, a product it keeps"] / floor
    outcome.report("a product it keeps, to a bare view", f"{kept:.2f}×")
    return outcome


def workers(ours: Ours, options: Options) -> Outcome:
    """cached reads of products itself, with one worker and with two"""
    outcome = Outcome()
    paths = tuple(product_paths(ours.shop.products))
    target = Target(f"http://127.0.0.1:{ours.port('products')}", paths)
    runs: dict[int, list[Run]] = {1: [], 2: []}
    cost: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(options.rounds):
        for count in runs:
            ours.set_workers("products-web", count)
            load.warm_up({"products": target})
            master = ours.pid("products-web")
            before = processes.cpu_seconds([master])
            done = counted(f"{count} workers", load.run(target, options.seconds))
            used = processes.cpu_seconds([master]) - before
            runs[count].append(done)
            cost[count].append(used / done.requests * 1e6)
    named = {1: "1 worker", 2: "2 workers"}
    rate = {n: outcome.add(named[n], "requests/s", [r.rate for r in runs[n]]) for n in runs}
    each = {n: outcome.add(named[n], "µs of a core each", cost[n]) for n in runs}
    outcome.at_least("load generator not counted: by cost", 1.7, 2 * each[1] / each[2])
    outcome.report("as it came, the load on the same two cores", f"{rate[2] / rate[1]:.2f}×")
    outcome.note = (
        "The machine's two cores serve the load and Redis as well, so two workers never have two. "
        "What a request costs the workers is free of that: as much for two as for one is 2×."
    )
    return outcome
