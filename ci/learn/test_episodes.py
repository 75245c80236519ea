"""Every episode is whole, and every command in it does what it shows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from episodes import ROOT, Episode, episodes
from shell import Shell, steps

from checkout import copy_to
from real_servers import free_port

EPISODES = [pytest.param(episode, id=episode.path.stem) for episode in episodes()]
PARTS = [
    "## The idea",
    "## The code",
    "## Try it",
    "## What must hold",
    "## Break it",
    "## What the course did",
]


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository, as a clone would hold it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("course") / "shop"
    copy_to(folder)
    return folder


@pytest.fixture(scope="session")
def gateway() -> int:
    return free_port()


@pytest.fixture(scope="session")
def running(copy: Path, gateway: int) -> Iterator[Path]:
    """The copy with its shop up, as every episode but the first begins."""

    def shop(*words: str) -> None:
        done = subprocess.run(
            [sys.executable, "compose/embedded/shop.py", *words],
            cwd=copy,
            env={**os.environ, "GATEWAY_PORT": str(gateway)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    shop("install", "--test")  # no page shows how its tools are installed
    shop("install", "ci")
    try:
        shop("up")
        yield copy
    finally:
        shop("down")


@pytest.fixture
def shell(running: Path, gateway: int) -> Iterator[Shell]:
    bash = Shell(running, gateway)
    yield bash
    bash.close()


def test_there_are_twelve_episodes() -> None:
    assert [episode.number for episode in episodes()] == [f"{n:02}" for n in range(1, 13)]


@pytest.mark.parametrize("episode", EPISODES)
def test_an_episode_has_all_its_parts(episode: Episode) -> None:
    heads = [line for line in episode.text.splitlines() if line.startswith("## ")]
    assert heads == PARTS
    assert episode.claims
    assert "At the end" in episode.text.split("\n## ")[0]


@pytest.mark.parametrize("episode", EPISODES)
def test_the_tests_of_what_must_hold_are_there(episode: Episode) -> None:
    for claim in episode.claims:
        for test in claim.tests:
            path, name = test.split("::")
            assert f"def {name}(" in (ROOT / path).read_text(), f"{claim.sentence}: {test}"


@pytest.mark.parametrize("episode", EPISODES)
def test_the_exercise_is_seen_to_fail_and_to_be_mended(episode: Episode) -> None:
    graded = [s for s in steps(episode.text) if s.command.startswith("make learn EPISODE")]
    assert {s.command for s in graded} == {f"make learn EPISODE={episode.number}"}
    assert "✗" in graded[-2].shown and "✗" not in graded[-1].shown


@pytest.mark.parametrize("episode", EPISODES)
def test_every_command_does_what_the_episode_shows(episode: Episode, shell: Shell) -> None:
    for step in steps(episode.text):
        wrong = shell.run(step)
        assert not wrong, f"{episode.path.relative_to(ROOT)}:{step.line}\n{wrong}"
