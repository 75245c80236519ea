"""The page of the profile says how much each bar took alone, and why it is there."""

from __future__ import annotations

from pathlib import Path

import profile_page
import pytest
from bars import KERNEL, Bar
from profile_page import Profile


def order() -> Profile:
    calls = {"orders/routes.py": Bar("orders/routes.py", 300), "JSON": Bar("JSON", 5)}
    inside = {"Flask": Bar("Flask", 500, calls), KERNEL: Bar(KERNEL, 100)}
    processes = {"orders-web": Bar("orders-web", 600, inside), "orders-db": Bar("orders-db", 400)}
    return Profile("order", "GET /orders/{id}", Bar("GET /orders/{id}", 1000, processes))


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(profile_page, "PAGE", tmp_path / "profile.md")
    monkeypatch.setattr(profile_page, "IMAGES", tmp_path)
    return tmp_path


def written() -> str:
    profile_page.write([order()], "2 cores", seconds=8, samples=300)
    return profile_page.PAGE.read_text()


def test_tells_the_share_of_each_process_and_of_each_bar_alone() -> None:
    text = written()
    assert "| orders-web | 600 | 60 % | The service itself. |" in text
    assert "| Flask | 195 | 20 % |" in text
    assert "| `orders/routes.py` | 300 | 30 % | HTTP in and out:" in text
    assert "| in the kernel | 100 | 10 % |" in text


def test_sums_up_what_took_next_to_nothing() -> None:
    assert "JSON" not in written()
    assert "| the rest | 5 | 0 % |" in written()


def test_shows_a_picture_that_is_there(kept: Path) -> None:
    assert "](../images/profile-order.svg)" in written()
    assert (kept / "profile-order.svg").read_text().startswith("<svg")
