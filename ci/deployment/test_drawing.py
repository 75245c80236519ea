"""The drawing in the README is the system of compose.yaml, and its picture is of that drawing."""

import re
import sys

import arrows
import cluster
import drawing
import generated
import picture
import pytest
from cluster import STORES


def test_every_service_and_store_is_drawn() -> None:
    drawn = set(re.findall(r"[\w-]+", drawing.mermaid()))
    services = {name for name in cluster.processes() if not name.endswith("-worker")}
    assert services <= drawn
    assert {"MongoDB", "RabbitMQ", "Redis"} <= drawn and len(STORES) == 3
    assert {f"{name}-db" for name in services if (name, "mongo") in pairs()} <= drawn


def test_an_arrow_that_compose_lacks_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "orders -- prices --> products" in drawing.mermaid()
    environment = cluster.compose()["orders"]["environment"]
    monkeypatch.delitem(environment, "PRODUCTS_URL")
    assert "prices" not in drawing.mermaid()


def test_a_service_that_asks_nobody_for_keys_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(cluster.compose()["orders"]["environment"], "JWKS_URL")
    with pytest.raises(AssertionError, match="ask users for keys"):
        drawing.mermaid()


def test_what_is_no_longer_as_the_code_says_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sys, "argv", ["generated.py", "--check"])
    assert generated.main() == 0, capsys.readouterr().out
    other = drawing.mermaid() + "\n  gateway --- mongo"
    monkeypatch.setattr(drawing, "mermaid", lambda: other)
    monkeypatch.setattr(generated.errors_page, "made", lambda: "# Errors\n")
    assert generated.main() == 1
    said = capsys.readouterr().out
    for name in ("README.md", "docs/images/architecture.svg", "docs/reference/errors.md"):
        assert f"{name} is not as the code says" in said
    assert "settings.md" not in said


def test_a_picture_drawn_with_other_colours_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    before = picture.digest("flowchart LR")
    monkeypatch.setitem(picture.LOOK, "theme", "forest")
    assert picture.digest("flowchart LR") != before


def pairs() -> set[tuple[str, str]]:
    return {(by, to) for by, to, _ in arrows.of_compose()}
