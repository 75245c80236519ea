"""Rounds: who is compared is loaded in turn, and a run with errors spoils its row."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import load
from load import Run, Target
from outcome import Outcome


@dataclass(frozen=True)
class Options:
    """How long to measure."""

    rounds: int
    seconds: int  # of each run
    requests: int  # an hour of load


class Failed(Exception):
    """A run had errors, and so none of its row counts."""


def counted(who: str, run: Run) -> Run:
    """A run that may count. Raises Failed."""
    if run.errors:
        raise Failed(f"{who}: {run.errors} errors in {run.requests} requests")
    return run


def interleaved(
    targets: Mapping[str, Target], options: Options, after: Callable[[], object] = lambda: None
) -> dict[str, list[Run]]:
    """Each target in turn, in every round, once the warm-up is over."""
    load.warm_up(dict(targets))
    after()
    runs: dict[str, list[Run]] = {who: [] for who in targets}
    for _ in range(options.rounds):
        for who, target in targets.items():
            runs[who].append(counted(who, load.run(target, options.seconds)))
            after()
    return runs


def rates(outcome: Outcome, runs: Mapping[str, list[Run]]) -> dict[str, float]:
    """Keep requests a second and the slowest of a hundred; the medians of the former."""
    medians = {}
    for who, of in runs.items():
        medians[who] = outcome.add(who, "requests/s", [run.rate for run in of])
        outcome.add(who, "p50 ms", [run.p50 for run in of])
        outcome.add(who, "p99 ms", [run.p99 for run in of])
    return medians


def p99(runs: list[Run]) -> float:
    return statistics.median(run.p99 for run in runs)
