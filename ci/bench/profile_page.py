"""Writes the page and the pictures of where the time of a request goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import flame
from bars import Bar, why
from load import CONNECTIONS
from place import ROOT

PAGE = ROOT / "docs/reference/profile.md"
IMAGES = ROOT / "docs/images"
LEAST = 0.01  # of a request: bars of their own that took less are summed up
WHAT = {
    "product": "A product that the gateway keeps: no service is asked, but for the moment in which "
    "its answer has become old.",
    "order": "An order, with a token: nothing may keep it, so the gateway asks orders each time.",
}
PROCESSES = {
    "gateway-web": "The one public door: counts, refuses, keeps answers, hands on.",
    "orders-web": "The service itself.",
    "products-web": "Makes the answers that the gateway keeps for a second.",
    "orders-db": "SecantusDB, the embedded database; what MongoDB would take is not known here.",
    "Redis": "Counts, kept answers and versions.",
    "supervisord": "Watches the others. What they log does not pass it.",
    "all others": "What each took less than two hundredths: workers that look for events, their "
    "databases, the broker.",
}
HEAD = """<!-- Made by `make profile`: run it again, or change ci/bench/*.py, not this page. -->

# Where the time of a request goes

Microseconds of a core that one request takes, in whatever process: under load they, and not what
one waits for, say how many requests there can be. `make profile` looks again; [how fast it
is](benchmarks.md) compares.

- **By process** the system counts: time used before and after {seconds} s of load (wrk,
  {connections} connections), divided by the requests, in user mode and in the kernel. wrk itself is
  left out.
- **Inside** the gateway and the service, py-spy looks {samples} times a second at who holds
  Python's lock in the busiest worker, and the time in user mode is shared out by that. So shares
  of a few hundredths are rough.
- **A bar** is a file of ours (orange) or a library, with what it uses of the standard library. Its
  width is the time in it and in what it calls, which hangs below it; what took less than 3 % of the
  request is not drawn. The tables tell the time in a bar alone, so their rows add up.
"""


@dataclass(frozen=True)
class Profile:
    """One kind of request, and its bars: the request, its processes, what they do."""

    name: str
    title: str
    whole: Bar


def write(profiles: list[Profile], machine: str, seconds: int, samples: int) -> None:
    for one in profiles:
        picture = IMAGES / f"profile-{one.name}.svg"
        picture.write_text(flame.draw(f"Where the time of {one.title} goes", one.whole))
    PAGE.write_text(text(profiles, machine, seconds, samples))


def text(profiles: list[Profile], machine: str, seconds: int, samples: int) -> str:
    """The whole page."""
    head = HEAD.format(seconds=seconds, connections=CONNECTIONS, samples=samples)
    parts = [head, *(part for one in profiles for part in _section(one))]
    return "\n".join([*parts, f"{datetime.now(UTC).date()}; {machine}.\n"])


def _section(one: Profile) -> Iterator[str]:
    yield f"## {one.title}\n"
    yield f"{WHAT[one.name]}\n"
    yield f"![{one.title}: its bars](../images/profile-{one.name}.svg)\n"
    yield "| process | µs | share | why it is there |\n|---|---|---|---|"
    processes = sorted(one.whole.calls.values(), key=lambda bar: -bar.much)
    for process in processes:
        sentence = PROCESSES.get(process.name, "")
        yield _row(process.name, process.much, one.whole, sentence)
    yield f"| all | {one.whole.much:,.0f} | 100 % | |\n"
    for process in processes:
        if process.calls:
            yield f"Of `{process.name}`, each bar alone:\n"
            yield "| bar | µs | share | why it is there |\n|---|---|---|---|"
            yield from _bars(process, one.whole)


def _bars(process: Bar, whole: Bar) -> Iterator[str]:
    own = process.own()
    own.pop(process.name, None)  # what its bars add up to, but for rounding
    shown = {name: much for name, much in own.most_common() if much >= LEAST * whole.much}
    for name, much in shown.items():
        yield _row(f"`{name}`" if name.endswith(".py") else name, much, whole, why(name))
    less = own.total() - sum(shown.values())
    yield _row("the rest", less, whole, "Bars of less than a hundredth each.") + "\n"


def _row(name: str, much: float, whole: Bar, sentence: str) -> str:
    return f"| {name} | {much:,.0f} | {much / whole.much * 100:.0f} % | {sentence} |"
