"""What a row of the benchmarks found: figures, and what they say of its goals."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Figure(NamedTuple):
    """One thing measured in several rounds: the median, and the least and the most."""

    who: str
    unit: str
    median: float
    low: float
    high: float


class Verdict(NamedTuple):
    """A goal and what came out; `met` is None where nothing was set as a goal."""

    what: str
    goal: str
    measured: str
    met: bool | None


@dataclass
class Outcome:
    """What one row found."""

    figures: list[Figure] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    note: str = ""
    how: str = ""  # it was measured, where not in rounds

    def add(self, who: str, unit: str, values: Sequence[float]) -> float:
        """Keep a figure; its median."""
        median = statistics.median(values)
        self.figures.append(Figure(who, unit, median, min(values), max(values)))
        return median

    def at_least(self, what: str, goal: float, value: float) -> None:
        self.verdicts.append(Verdict(what, f"at least {goal}×", f"{value:.2f}×", value >= goal))

    def at_most(self, what: str, goal: float, value: float, unit: str = "×") -> None:
        digits = 2 if unit == "×" else 0
        text = f"{value:.{digits}f}{unit}"
        self.verdicts.append(Verdict(what, f"at most {goal:g}{unit}", text, value <= goal))

    def report(self, what: str, measured: str) -> None:
        """What has no goal."""
        self.verdicts.append(Verdict(what, "—", measured, None))
