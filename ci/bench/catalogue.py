"""The row about the catalogue: what a page costs as products become more."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import load
import stack
from load import Run, Target
from ours import Ours
from outcome import Outcome
from peers import answers, process
from place import ROOT, TOOLS, is_free
from rounds import Failed, Options, counted, rates

from real_servers import free_port, wait

SIZES = (1_000, 10_000)
DIFFERENT = 1_500  # questions in a run; the longest that fit into what wrk is told
DEAREST = 1_000_000  # no product costs as much, so a range up to here is all of them


def catalogue(ours: Ours, options: Options) -> Outcome:
    """20 products by price, asked of products itself, when there are more and more"""
    run, outcome = ours.shop.run, Outcome()
    with ExitStack() as started:
        urls = {size: started.enter_context(products_with(run, size, outcome)) for size in SIZES}
        runs: dict[str, list[Run]] = {f"{size:,} products": [] for size in SIZES}
        new = itertools.count()
        for turn in range(options.rounds + 1):
            for size, url in urls.items():
                target = Target(url, questions(next(new)))
                done = counted(f"{size} products", load.run(target, options.seconds, connections=1))
                if done.requests > DIFFERENT:
                    raise Failed("there were more requests than questions, so some had been kept")
                if turn:  # the first is the warm-up
                    runs[f"{size:,} products"].append(done)
    rate = rates(outcome, runs)
    few, many = (rate[f"{size:,} products"] for size in SIZES)
    outcome.report(f"pages/s, {SIZES[0]:,} products to {SIZES[1]:,}", f"{few / many:.1f}×")
    outcome.note = (
        "Asked by one client, each on an embedded SecantusDB of its own, which sorts every match: "
        "that is why there is no goal. No two questions are the same (each has another "
        "`max_price`, which all products are below), so none is answered from products' cache."
    )
    return outcome


def questions(which: int) -> tuple[str, ...]:
    """Other ones in each run: answers are kept for half a minute, in a cache that all share."""
    first = DEAREST + which * DIFFERENT
    dearest = range(first, first + DIFFERENT)
    return tuple(f"/products?sort=price&limit=20&max_price={price}" for price in dearest)


@contextmanager
def products_with(run: Path, size: int, outcome: Outcome) -> Iterator[str]:
    """Products alone, on a database of its own with so many of them; its address."""
    name, db, web = f"products-of-{size}", free_port(), free_port()
    data = run / f"data/{name}"
    data.mkdir()
    with ExitStack() as started:
        command = [str(TOOLS / "secantusd-py"), "--host", "127.0.0.1", "--port", str(db)]
        command += ["--storage-path", str(data), "--cache-size", "64M", "--log-level", "WARNING"]
        started.enter_context(process(f"{name}-db", run, command, run, {}))
        settings = {
            **stack.service_environment(run, "products"),
            "MONGO_URL": f"mongodb://127.0.0.1:{db}/products",
            "BIND": f"127.0.0.1:{web}",
        }
        wait(f"the database of {size} products", lambda: not is_free(db), 30)
        seconds = fill(size, settings)
        outcome.add(f"inserting {size:,} products", "s", [seconds])
        gunicorn = [".venv/bin/gunicorn", "-c", "gunicorn.conf.py", "products.app:create_app()"]
        started.enter_context(process(name, run, gunicorn, ROOT / "products", settings))
        url = f"http://127.0.0.1:{web}"
        wait(name, lambda: answers(f"{url}/health/live"), 30)
        yield url


def fill(size: int, settings: Mapping[str, str]) -> float:
    """Seconds it took."""
    started = time.monotonic()
    python = ROOT / "products/.venv/bin/python"
    command = [str(python), str(Path(__file__).with_name("fill.py")), str(size)]
    subprocess.run(command, check=True, env={**os.environ, **settings})
    return time.monotonic() - started
