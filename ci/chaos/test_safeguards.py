"""The chaos can fail: without a safeguard its checks turn red.

Not part of `make test`, for it needs minutes: `ci/.venv/bin/python -m pytest ci/chaos`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHAOS = Path(__file__).with_name("chaos.py")


@pytest.mark.parametrize(
    ("safeguard", "seed", "finding"),
    [
        ("conditional-update", 1, "oversold: below zero"),
        ("unique-key", 1, "doubled: 2 notifications of one event"),
        ("idempotency-key", 1, "made a second order"),
        ("confirm", 486, "is cancelled, its stock"),
        ("parking", 2920, "has not come to"),
        ("give-back", 1, "is cancelled, its stock"),
    ],
)
def test_without_a_safeguard_the_checks_turn_red(safeguard: str, seed: int, finding: str) -> None:
    words = ["--seed", str(seed), "--rounds", "1", "--without", safeguard]
    done = subprocess.run([sys.executable, str(CHAOS), *words], capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert finding in done.stdout
    assert f"SEED={seed}" in done.stdout, "it says how to replay"
