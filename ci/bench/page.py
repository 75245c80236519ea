"""Keeps the last figures of each row, and writes the page that shows them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import events
from load import CONNECTIONS
from outcome import Figure, Outcome, Verdict
from place import ROOT

KEPT = ROOT / "docs/reference/benchmarks.json"
PAGE = KEPT.with_suffix(".md")
HEAD = """<!-- Made by `make bench`: measure again, or change ci/bench/page.py, not this page. -->

# How fast it is

The shop beside the Node stack that it replaces, on one machine in one run: trust the ratios, not
the figures. `make bench` measures all of this again, which takes a quarter of an hour; `make bench
ARGS="--only cached"` one row, and the others keep what they had. [Where the time of a request
goes](profile.md) is a picture.

- **The peer** is [the course's stack](../../ci/bench/express): an Express 5 gateway with
  http-proxy-middleware, kept connections, jsonwebtoken, cors and morgan; Express services with
  Mongoose, ioredis, amqplib and Joi; Hono for notifications; one process of Node for each. It
  checks no stock, takes prices from whoever asks, and confirms no event: it promises less, and is
  measured as it is. What the course leaves slow is not: its reads are `lean`, its lists are
  dropped from the cache by a write, and its connections outlive a pause.
- **Both** use the same database servers (the embedded SecantusDB, one for each service), asked with
  the same options, the same Redis and the same RabbitMQ, and write their logs to files themselves:
  the shop a line of JSON from gateway and service, the peer morgan's line from its gateway. The
  shop counts requests (its limits are raised, not off) and serves its metrics. Its orders are
  waited for, until the last is sold, before the peer has its turn.
- **The shop** has two web processes for each service and for the gateway. **The bare view** is a
  constant from Flask under the gateway's own gunicorn settings. **nginx** hands on to the same
  orders service.
- **The load** is wrk with {connections} connections and one thread, on the same two cores as
  everything else. Who is compared is measured in turn, in every round; a warm-up is thrown away. A
  figure is the median of the rounds, with the least and the most behind it. A run with any error
  (a status of 400 or more, a broken connection, no answer in 10 s) does not count, nor does its
  row.
"""

WHY = """## Why some are not met

- **Orders** (accepted, and in the mixed load). For an order the shop writes twelve times and reads
  some twenty times, in three databases with indexes; the peer writes one document, and nothing
  finds it but its id. Half of an order's time is the embedded databases', [each write one to seven
  milliseconds of a core](../explanation/embedded-parts.md). What MongoDB would make of it is not
  known yet.
- **An order's read.** The database has the same part in it on both sides, and leaves too little
  to both for one side to be half as fast again.
- **What the gateway keeps, and what it costs.** More than half of that is gunicorn's reading and
  writing of HTTP. A server of our own would be faster, and [is not worth
  it](../adr/0024-gunicorn-reads-http.md).

The machine is virtual, and twice as fast in one hour as in another. What is near a goal meets it in
one and not in the other: the time to the confirmation was 24 ms and, hours before, 69.
"""


def machine(run: Path) -> dict[str, str]:
    """What was measured on: the processor and what runs, with versions."""
    found = {"machine": events.machine(), **events.versions(run)}
    for name, option in {"node": "--version", "nginx": "-v", "wrk": "--version"}.items():
        done = subprocess.run([name, option], capture_output=True, text=True)
        words = (done.stdout + done.stderr).replace("/", " ").split()
        found[name] = next(word.strip("v") for word in words if word.strip("v")[0].isdigit())
    return found


def text(outcome: Outcome) -> str:
    """The figures and verdicts of a row, for a terminal."""
    lines = [
        f"  {f.who:32} {f.median:10.1f} {f.unit:18} ({f.low:.1f} to {f.high:.1f})"
        for f in outcome.figures
    ]
    for v in outcome.verdicts:
        met = {True: "met", False: "NOT MET", None: ""}[v.met]
        lines.append(f"  {v.what}: {v.measured}, goal {v.goal}  {met}".rstrip())
    return "\n".join(lines)


def keep(name: str, found: dict[str, object], order: Sequence[str]) -> None:
    """Put a row in the place of the one before, and write the page anew."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    kept[name] = {"date": datetime.now(UTC).date().isoformat(), **found}
    kept = {name: kept[name] for name in order if name in kept}
    KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(page(list(json.loads(KEPT.read_text()).values())))


def page(rows: list[dict]) -> str:
    """The whole page: the goals first, then the figures of each row that was ever measured."""
    goals = [(row, Verdict(*verdict)) for row in rows for verdict in row["verdicts"]]
    parts = [
        HEAD.format(connections=CONNECTIONS),
        "## Goals\n",
        "| | | goal | measured | met | measured on |\n|---|---|---|---|---|---|\n"
        + "".join(
            f"| {row['title']} | {v.what} | {v.goal} | {v.measured} | {_met(v)} | {row['date']} |\n"
            for row, v in goals
        ),
        WHY,
        *(_section(row) for row in rows),
    ]
    return "\n".join(parts)


def _met(verdict: Verdict) -> str:
    return {True: "yes", False: "**no**", None: ""}[verdict.met]


def _section(row: dict) -> str:
    title = row["title"][0].upper() + row["title"][1:]
    versions = ", ".join(f"{name} {said}" for name, said in row["machine"].items())
    lines = [f"## {title}\n", "| | median | from | to | |\n|---|---|---|---|---|"]
    for figure in row["figures"]:
        f = Figure(*figure)
        numbers = " | ".join(_number(value) for value in (f.median, f.low, f.high))
        lines.append(f"| {f.who} | {numbers} | {f.unit} |")
    note = f"\n{row['note']}" if row["note"] else ""
    how = f"\n{row['date']}, {row['how']}; {versions.removeprefix('machine ')}.\n"
    return "\n".join([*lines, *([note] if note else []), how])


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"
