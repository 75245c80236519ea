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

import ours
import page
import peers
import reads

from real_servers import servers

ROWS = {**reads.ROWS}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    names = ", ".join(ROWS)
    parser.add_argument("--only", action="append", metavar="ROW", choices=ROWS, help=names)
    parser.add_argument("--rounds", type=int, default=5, help="of each row, interleaved")
    parser.add_argument("--seconds", type=int, default=5, help="of each run in a round")
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
            failed = 0
            for name in options.only or ROWS:
                print(f"\n{name}: {ROWS[name].__doc__}", flush=True)
                try:
                    outcome = ROWS[name](shop, reads.Options(options.rounds, options.seconds))
                except reads.Failed as errors:
                    print(f"  does not count: {errors}", flush=True)
                    failed += 1
                    continue
                print(page.text(outcome), flush=True)
                how = f"{options.rounds} rounds of {options.seconds} s"
                page.keep(name, ROWS[name].__doc__ or "", outcome, machine, how)
    print(f"\nwritten to {page.PAGE.relative_to(peers.ROOT)}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
