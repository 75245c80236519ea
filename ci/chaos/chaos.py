"""The proof that nothing is lost, doubled, oversold or stuck: see `make chaos ARGS=--help`.

A round brings new customers and products into the running shop, lets things go wrong while they
buy, waits until all has come to rest, and checks. What happens in a round follows from its seed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import customers
import system as systems
from checks import Facts, Findings, examine, examine_answers
from schedule import AFTERWARDS, KINDS, Round, choices_of, round_of
from watch import Watch
from without.safeguards import SAFEGUARDS

SETTLE_SECONDS = 2 * systems.SAGA_TIMEOUT + 30
SLOW_SECONDS = 10.0  # what came to rest so late is told
COLUMNS = ["seed", "orders", "faults", "lost", "doubled", "oversold", "stuck", "recovery s"]


def play(system: systems.System, plan: Round) -> tuple[list[object], Findings]:
    """One round: a row of the table, and what was found."""
    statuses: Counter[str] = Counter()
    admin = customers.Admin(customers.Client(system.base_url, statuses))
    admin.client.log_in(system.credentials["email"], system.credentials["password"])
    products = [admin.add_product(stock) for stock in plan.stock]
    people = customers.welcome(system.base_url, plan.wishes, statuses)
    watch = Watch(system.stores, products)
    facts = Facts(people, admin, dict(zip(products, plan.stock, strict=True)), watch)
    try:
        recovery, found = _play(system, plan, facts, products)
    finally:
        watch.stop()
        system.faults.calm()
    row = [plan.seed, len(facts.answered), len(plan.faults)]
    row += [len(texts) for texts in vars(found).values()]
    print(
        _line([*row, f"{recovery:.1f}"]),
        f"  {_outcomes(system, facts)} {dict(statuses)}",
        flush=True,
    )
    return [*row, recovery], found


def _play(
    system: systems.System, plan: Round, facts: Facts, products: list[str]
) -> tuple[float, Findings]:
    began = time.monotonic()
    busy = [customers.start(who.shop, began, products) for who in facts.customers]
    busy.append(customers.start(facts.admin.write, began, plan.writes, products))
    striking = []
    for fault in plan.faults:
        if fault.kind not in AFTERWARDS:
            time.sleep(max(0.0, began + fault.at - time.monotonic()))
            striking.append(customers.start(system.faults.strike, fault))
    for thread in [*striking, *busy]:
        thread.join()
    system.faults.calm()
    recovery, found = _settle(system, facts)
    for fault in plan.faults:
        if fault.kind in AFTERWARDS and not found:
            system.faults.strike(fault)
            again, found = _settle(system, facts)
            recovery = max(recovery, again)
    if system.faults.failed:
        raise SystemExit(f"faults that could not be made: {system.faults.failed}")
    if not found:
        found.lost += examine_answers(system, facts)
    return recovery, found


def _settle(system: systems.System, facts: Facts) -> tuple[float, Findings]:
    """Seconds until nothing was wrong twice in a row, or what is wrong when time is up."""
    began, calm, last = time.monotonic(), 0.0, None
    while True:
        found = examine(system, facts)
        waited = time.monotonic() - began
        if found:
            calm, last = 0.0, found
            if waited > SETTLE_SECONDS:
                return waited, found
        elif calm:
            if calm > SLOW_SECONDS and last:
                print(f"slow, {calm:.1f} s:", *last.all()[:3], sep="\n  ", flush=True)
            return calm, found
        else:
            calm = waited
        time.sleep(0.5)


def _outcomes(system: systems.System, facts: Facts) -> dict[str, int]:
    ids = {"_id": {"$in": list(facts.answered)}}
    return dict(Counter(o["status"] for o in system.stores.find("orders", "orders", ids, "status")))


def _line(cells: list[object]) -> str:
    return "".join(
        f"{cell!s:>{max(len(name), 8) + 2}}" for cell, name in zip(cells, COLUMNS, strict=True)
    )


def _total(rows: list[list]) -> list[object]:
    sums = [sum(row[n] for row in rows) for n in range(1, len(COLUMNS) - 1)]
    return ["total", *sums, f"{max((row[-1] for row in rows), default=0.0):.1f}"]


def parse() -> argparse.Namespace:
    def number(name: str, default: int) -> int:
        return int(os.environ.get(name) or default)

    parser = argparse.ArgumentParser(
        prog="make chaos",
        description="Runs the shop on real RabbitMQ and Redis, lets things go wrong while "
        "customers buy, and checks that nothing is lost, doubled, oversold or stuck.",
        epilog="Each round is a row of the table, the total its last; a failing round is told and "
        "ends it. All that is decided follows from the seed: the same words replay it. "
        "`make chaos SEED=7 ROUNDS=20 ORDERS=60 FAULTS=6` sets the same as the options.",
    )
    add = parser.add_argument
    add("--seed", type=int, default=number("SEED", random.randrange(10**6)), help="of round one")
    add("--rounds", type=int, default=number("ROUNDS", 3), help="each with the next seed (3)")
    add("--orders", type=int, default=number("ORDERS", 60), help="in each round (60)")
    add("--faults", type=int, default=number("FAULTS", 6), help="in each round (6)")
    kinds = f"strike with these, in turn: {', '.join(KINDS)}"
    add("--only", default="", metavar="KIND[:TARGET],...", help=kinds)
    safeguards = f"switch off, so that the checks should turn red: {', '.join(SAFEGUARDS)}"
    add("--without", default="", metavar="SAFEGUARD,...", help=safeguards)
    compose = bool(os.environ.get("COMPOSE"))
    about = "in the containers of compose.yaml, and not as processes: COMPOSE=1"
    add("--compose", action="store_true", default=compose, help=about)
    add("--show", action="store_true", help="only print what the seeds decide")
    options = parser.parse_args()
    try:
        choices_of(options.only)
    except ValueError as error:
        parser.error(f"there is no such fault: {error}")
    if unknown := set(filter(None, options.without.split(","))) - SAFEGUARDS.keys():
        parser.error(f"there is no such safeguard: {', '.join(unknown)}")
    return options


def main() -> int:
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `with` stops everything
    seeds = range(options.seed, options.seed + options.rounds)
    only = choices_of(options.only)
    plans = [round_of(seed, options.orders, options.faults, only) for seed in seeds]
    if options.show:
        for plan in plans:
            _show(plan)
        return 0
    run = Path(tempfile.mkdtemp(prefix="shop-chaos-"))
    rows, found = [], Findings()
    running = systems.running
    if options.compose:
        from containers import running  # which finds the rest of ci by way of system
    with running(run, options.without) as system:
        print(_line(COLUMNS), flush=True)
        for plan in plans:
            row, found = play(system, plan)
            rows.append(row)
            if found:
                break
    print(_line(_total(rows)))
    if found:
        print(*found.all(), sep="\n")
        _show(plan)
        words = f"SEED={plan.seed} ROUNDS=1 ORDERS={options.orders} FAULTS={options.faults}"
        more = {"only": options.only, "without": options.without}
        args = " ".join(f"--{name}={given}" for name, given in more.items() if given)
        words += " COMPOSE=1" if options.compose else ""
        words += f' ARGS="{args}"' if args else ""
        print(f"replay: make chaos {words}\nlogs and data are kept in {run}")
        return 1
    shutil.rmtree(run, ignore_errors=True)
    return 0


def _show(plan: Round) -> None:
    print(f"seed {plan.seed}:", *(f"  {fault}" for fault in plan.faults), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
