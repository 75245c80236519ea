"""The row about what grows: memory under load."""

from __future__ import annotations

import load
import processes
from ours import Ours
from outcome import Outcome
from rounds import Options, counted
from writes import mixed_paths


def memory(ours: Ours, options: Options) -> Outcome:
    """memory of all processes of the shop after an hour's worth of load"""
    outcome, pids = Outcome(), ours.all_pids()
    target = ours.target(*mixed_paths(ours.shop.products, ours.orders), order_every=20)

    def used(who: str) -> float:
        return outcome.add(who, "MB", [processes.resident_bytes(pids) / 1e6])

    used("at the start")
    counted("warm-up", load.run(target, 10))
    ours.wait_settled()
    before, asked = used("before, after a warm-up of 10 s"), 0
    while asked < options.requests:
        asked += counted("the hour", load.run(target, 10)).requests
    ours.wait_settled()
    after = used(f"after {asked:,} requests more")
    outcome.at_most("after to before", 1.1, after / before)
    outcome.how = "one run"
    outcome.note = (
        f"{options.requests:,} requests are an hour of {options.requests / 3600:.0f} a second, one "
        "in twenty an order, sent as fast as they go. What several processes share counts for each."
    )
    return outcome
