"""docs/reference/metrics.md: every metric, from the code that counts it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tables import code, page, table

from e2e.repository import ROOT

HEADS = ["metric", "kind", "labels", "shown by", "what"]
KINDS = ("Counter", "Gauge", "Histogram")
INTRO = """\
Every process shows what it counts at `/metrics`, in Prometheus' format, on a port of its own:
`METRICS_BIND`, as `host:port`. Unset, nothing is shown. In containers and on a cluster it is port
9100 (named `metrics`); on a laptop `make status` names the address of each. The gateway routes to
no such port, so what is counted cannot be read from outside.

With several workers gunicorn's master shows one sum, in which a worker that ended keeps what it
has counted ([why](../adr/0014-metrics-on-a-port-of-their-own.md)). Counters begin at 0 with the
process: ask for `rate()` or `increase()`. What a worker measures in its database it measures every
10 to 15 seconds, less often where that takes long; it is NaN while the database does not answer.
Every worker of a service measures the same, so take `max`, not `sum`.
"""
SEE = """
## See it
```
docker compose -f compose/compose.yaml -f compose/compose.observability.yaml up --build --wait
```
Prometheus is then at `http://127.0.0.1:9090`, with the
[alerts](../../compose/observability/alerts.yml), and Grafana at `http://127.0.0.1:3000`, with a
[dashboard](../../compose/observability/grafana/dashboards/shop.json). Neither asks who you are, so
both listen to this machine alone. The alerts are tested (`promtool test rules`), and each question
of the dashboard is asked of a real Prometheus in the end-to-end tests.

On a cluster, let your Prometheus scrape the port `metrics` of every pod in the namespace `shop`;
the network policy `metrics-in` lets the namespace `monitoring` in.

## What it costs
Counting a request takes 7 µs. Of the cheapest route there is, `/health/live`, that is about one
hundredth: 585 µs of a processor without and 594 with, medians of 8 pairs of 3 seconds on a busy
machine, whose ratio is 1.01. A scrape of one process took 15 ms.
"""


def made() -> str:
    rows = [
        [code(m.name), m.kind, " ".join(map(code, m.labels)), short(processes), m.about]
        for m, processes in sorted(metrics().items())
    ]
    return page("Metrics", "the code that counts", INTRO, table(HEADS, rows), SEE)


class Metric(NamedTuple):
    """A metric as the code declares it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    about: str


def declared(module: Path) -> Iterator[Metric]:
    """The metrics of a module; each name, text and label stands there as it is."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in KINDS:
            if any(word.arg == "registry" for word in node.keywords):
                name, about, *labels = map(ast.literal_eval, node.args)
                yield Metric(name, node.func.id.lower(), tuple(*labels), about)


def reached(module: Path, found: set[Path] | None = None) -> set[Path]:
    """A module of a service and all modules of the service that it imports."""
    found = found if found is not None else set()
    if module in found or not module.exists():
        return found
    found.add(module)
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = module.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for name in [folder, *(folder / alias.name for alias in node.names)]:
                reached(name.with_suffix(".py"), found)
    return found


def metrics() -> dict[Metric, list[str]]:
    """Every metric, and the processes that show it."""
    shown: dict[Metric, list[str]] = {}
    for package in sorted(path.parent for path in ROOT.glob("*/src/*/app.py")):
        for entry, suffix in (("app.py", ""), ("worker.py", "-worker")):
            for module in sorted(reached(package / entry)):
                for metric in declared(module):
                    shown.setdefault(metric, []).append(package.name + suffix)
    return shown


def short(processes: list[str]) -> str:
    """The processes in few words."""
    everyone = sorted(path.parent.name for path in ROOT.glob("*/src/*/app.py"))
    workers = sorted(path.parent.name for path in ROOT.glob("*/src/*/worker.py"))
    if processes == everyone:
        return "every web process"
    if processes == [f"{name}-worker" for name in workers]:
        return "every worker"
    return ", ".join(processes)
