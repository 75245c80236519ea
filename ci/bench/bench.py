"""How fast the shop is beside the Node stack it replaces: ratios, measured here and now.

Needs wrk, nginx and Node.js (Debian: apt-get install wrk nginx-light nodejs npm), and what
real_servers.py does.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path += [str(HERE.parents[1]), str(HERE.parents[2] / "compose/embedded")]
import catalogue  # noqa: E402 - what they read is in the folders above
import growth  # noqa: E402
import ours  # noqa: E402
import page  # noqa: E402
import reads  # noqa: E402
import rounds  # noqa: E402
import writes  # noqa: E402
from place import ROOT  # noqa: E402

from real_servers import servers  # noqa: E402

# In the order in which they are measured, and stand on the page.
ROWS = {
    "cached": reads.cached,
    "page": reads.page,
    "catalogue": catalogue.catalogue,
    "order": reads.order,
    "latency": writes.latency,  # before orders pile up: the embedded database slows with them
    "mixed": writes.mixed,
    "place": writes.place,
    "gateway-cost": reads.gateway_cost,
    "memory": growth.memory,
    "workers": reads.workers,
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    names = ", ".join(ROWS)
    parser.add_argument("--only", action="append", metavar="ROW", choices=ROWS, help=names)
    parser.add_argument("--rounds", type=int, default=5, help="of each row, interleaved")
    parser.add_argument("--seconds", type=int, default=5, help="of each run in a round")
    parser.add_argument(
        "--requests", type=int, default=36_000, help="that count as an hour of load, for memory"
    )
    return parser.parse_args()


def main() -> int:
    options = parse()
    missing = [name for name in ("wrk", "nginx", "node", "npm") if not shutil.which(name)]
    if missing:
        raise SystemExit(f"{', '.join(missing)} is not installed: see `make bench ARGS=--help`")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `with` stops everything
    with servers() as found:
        os.environ.update(found)
        with ours.running() as shop:
            machine = page.machine(shop.shop.run)
            given = rounds.Options(options.rounds, options.seconds, options.requests)
            failed = 0
            for name in options.only or ROWS:
                print(f"\n{name}: {ROWS[name].__doc__}", flush=True)
                try:
                    outcome = ROWS[name](shop, given)
                except rounds.Failed as errors:
                    print(f"  does not count: {errors}", flush=True)
                    failed += 1
                    continue
                print(page.text(outcome), flush=True)
                outcome.how = outcome.how or f"{options.rounds} rounds of {options.seconds} s"
                row = {"title": ROWS[name].__doc__, "machine": machine}
                page.keep(name, {**row, **vars(outcome)}, list(ROWS))
    print(f"\nwritten to {page.PAGE.relative_to(ROOT)}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
