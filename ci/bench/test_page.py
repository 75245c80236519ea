"""The page of the benchmarks says what was measured, and whether the goals were met."""

from __future__ import annotations

import json
from pathlib import Path

import page
import pytest
from outcome import Outcome


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(page, "KEPT", tmp_path / "benchmarks.json")
    monkeypatch.setattr(page, "PAGE", tmp_path / "benchmarks.md")
    return tmp_path


def measured(rate: float) -> Outcome:
    outcome = Outcome()
    median = outcome.add("shop", "requests/s", [rate, rate - 50, rate + 100])
    outcome.at_least("requests/s to the peer's", 2.0, median / 1000)
    return outcome


def keep(name: str, outcome: Outcome) -> str:
    row = {"title": f"row {name}", "machine": {"machine": "2 cores"}}
    page.keep(name, {**row, **vars(outcome)}, ["cached", "page"])
    return page.PAGE.read_text()


def test_says_whether_a_goal_was_met() -> None:
    assert "| at least 2.0× | 2.50× | yes |" in keep("cached", measured(2500))
    assert "| at least 2.0× | 0.50× | **no** |" in keep("cached", measured(500))


def test_shows_the_median_the_least_and_the_most() -> None:
    assert "| shop | 2,500 | 2,450 | 2,600 | requests/s |" in keep("cached", measured(2500))


def test_other_rows_keep_what_they_had() -> None:
    keep("page", measured(1111))
    text = keep("cached", measured(2222))
    assert "1,111" in text and "2,222" in text
    assert text.index("Row cached") < text.index("Row page")  # as the goals stand
    assert set(json.loads(page.KEPT.read_text())) == {"cached", "page"}


def test_what_has_no_goal_is_neither_met_nor_missed() -> None:
    outcome = Outcome()
    outcome.report("with a backlog", "40 orders/s")
    assert "| — | 40 orders/s |  |" in keep("cached", outcome)


def test_a_bound_from_above_is_met_below_it() -> None:
    outcome = Outcome()
    outcome.at_most("p99", 250, 249.0, " ms")
    outcome.at_most("p50", 60, 61.0, " ms")
    assert [verdict.met for verdict in outcome.verdicts] == [True, False]
    assert outcome.verdicts[0].measured == "249 ms"
