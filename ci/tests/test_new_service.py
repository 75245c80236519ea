"""A sixth service, as `make new-service` leaves it: all that CI asks of it holds, untouched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from checkout import copy_to


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository, as a clone would hold it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("copy")
    copy_to(folder)
    return folder


def run(folder: Path, *words: str, **environment: str) -> str:
    """What a command says; it must succeed."""
    done = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "PYTHON": sys.executable, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def grown(copy: Path) -> Path:
    """The repository with reviews in it."""
    run(copy, "make", "new-service", "NAME=reviews")
    return copy


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Reviews", "is no plural in small letters"),
        ("../reviews", "is no plural in small letters"),
        ("review", "is no plural in small letters"),
        ("users", "is taken"),
        ("orders", "is the name of something else"),
        ("redis", "is the name of something else"),
    ],
)
def test_says_why_a_name_is_refused_and_changes_nothing(copy: Path, name: str, says: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in copy.glob("*/**/*.py")}
    command = [sys.executable, "ci/new_service.py", name]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"{name} {says}" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in copy.glob("*/**/*.py")} == before


def test_nothing_of_it_is_named_as_what_it_was_copied_from(grown: Path) -> None:
    files = [path for path in (grown / "reviews").rglob("*") if path.suffix in (".py", ".md")]
    files = [path for path in files if ".venv" not in path.parts and "chassis" not in path.parts]
    assert len(files) > 15
    assert not [path for path in files if "notification" in path.read_text().lower()]


def test_it_passes_the_checks_and_its_contract_is_as_committed(grown: Path) -> None:
    run(grown, "make", "lint")
    before = {path: path.read_bytes() for path in grown.glob("contracts/*.json")}
    assert grown / "contracts/reviews.openapi.json" in before
    run(grown, "make", "contracts")
    assert {path: path.read_bytes() for path in grown.glob("contracts/*.json")} == before


def test_its_contract_passes_the_checks_of_all(grown: Path) -> None:
    said = run(grown, "make", "contracts-check")
    assert "reviews: new, never released" in said


def test_all_tests_pass_with_it_in_the_shop(grown: Path) -> None:
    """Those of every service, and end to end: it runs, with its row in each of their tables."""
    said = run(grown, "make", "test")
    for name in ("reviews", "end to end"):
        assert name in said, said
