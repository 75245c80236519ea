"""What becomes of the shop when it is asked for twice as many orders as it can answer.

Finds how much it answers; then asks for half of that, for all of it, for twice that, and for half
again, at an even pace. Prints what was admitted and refused, how long the admitted took, and how
soon all was well again. Ends with 1 for errors (any answer but 2xx, 429 and 503, or a refusal that
does not say when to come back), never for times.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import signal
import statistics
import sys
from collections import Counter

import ours
from arrivals import Answer, Clients, at_rate

REFUSED = (429, 503)
FIRST_RATE = 50.0
LONG_MS = 50.0  # half of them take longer: a queue has formed


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-overload", description=__doc__)
    parser.add_argument("--seconds", type=int, default=15, help="of twice too much")
    parser.add_argument("--workers", type=int, default=2, help="web processes of each service")
    return parser.parse_args()


def admitted(answers: list[Answer]) -> list[Answer]:
    return [answer for answer in answers if 200 <= answer.status < 300]


def p(of: int, answers: list[Answer]) -> float:
    """The time, in ms, that so many of a hundred of the admitted stayed below."""
    times = sorted(answer.took * 1000 for answer in admitted(answers))
    return times[math.ceil(len(times) * of / 100) - 1] if times else math.nan


def is_error(answer: Answer) -> bool:
    if answer.status in REFUSED:
        return not answer.retry_after
    return not 200 <= answer.status < 300


def show(name: str, rate: float, answers: list[Answer]) -> None:
    count = Counter(answer.status for answer in answers).most_common()
    by_status = ", ".join(f"{number} × {status}" for status, number in count)
    refused = [answer for answer in answers if answer.status in REFUSED]
    slowest = max((answer.took * 1000 for answer in refused), default=0)
    middle = statistics.median([answer.took * 1000 for answer in refused] or [0])
    print(f"{name:9} {rate:6.0f}/s   p50 {p(50, answers):6.1f} ms   p99 {p(99, answers):6.1f} ms"
          f"   {by_status}", flush=True)  # fmt: skip
    if refused:
        silent = sum(not answer.retry_after for answer in refused)
        print(f"{'':9} refused after {middle:.1f} ms, at most {slowest:.0f} ms;"
              f" {silent} without Retry-After", flush=True)  # fmt: skip


async def sustainable(clients: Clients) -> float:
    """The highest rate, in steps of a tenth, at which hardly anybody is refused or waits long."""
    found, rate = 0.0, FIRST_RATE
    while True:
        answers = await at_rate(clients, rate, 2)
        if len(admitted(answers)) < 0.99 * len(answers) or p(50, answers) > LONG_MS:
            break
        found, rate = rate, rate * 1.1
        await asyncio.sleep(0.5)
    await asyncio.sleep(1)  # so that nothing is left of what was too much
    return found


async def measure(clients: Clients, seconds: int) -> int:
    await at_rate(clients, FIRST_RATE, 3)  # thrown away
    full = await sustainable(clients)
    if not full:
        raise SystemExit(f"not even {FIRST_RATE:.0f} a second are answered")
    print(f"\nanswers {full:.0f} a second")
    before = await at_rate(clients, full / 2, seconds / 2)
    show("half", full / 2, before)
    usually = await at_rate(clients, full, seconds / 2)
    show("all", full, usually)
    during = await at_rate(clients, full * 2, seconds)
    show("twice", full * 2, during)
    after = await at_rate(clients, full / 2, seconds / 2)
    show("half", full / 2, after)
    few, usual, most = (p(99, answers) for answers in (before, usually, during))
    print(f"\np99 of the admitted at twice: {most / usual:.1f} × of that at all it can answer,"
          f" {most / few:.1f} × of that at half")  # fmt: skip
    rate = len(admitted(during)) / seconds
    print(f"admitted at twice: {rate:.0f}/s, {rate / full:.2f} × of all it can")
    bad = [answer.due for answer in after if answer.status >= 300 or answer.took * 1000 > 3 * usual]
    first = [due for due in bad if due < 5]  # what comes later is not of the overload
    print(f"well again after {max(first, default=0):.2f} s")
    return sum(is_error(answer) for answer in (*before, *usually, *during, *after))


def main() -> int:
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `with` stops everything
    ours.WORKERS = options.workers
    with ours.running() as shop:
        # what the gateway keeps is answered faster than this client can ask
        orders = [f"/orders/{order}" for order in shop.orders]
        errors = asyncio.run(measure(Clients(shop.target(*orders)), options.seconds))
    if errors:
        print(f"{errors} errors")
    return int(errors > 0)


if __name__ == "__main__":
    sys.exit(main())
