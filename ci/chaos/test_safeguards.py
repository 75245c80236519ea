"""The chaos can fail: without a safeguard its checks turn red, and with it they are green.

Not part of `make test`, for it needs twenty minutes: `make test-chaos`.

Some safeguards cover for one another: an event that was lost may be told again because its answer
is late. Then the cover is switched off in both runs, and the safeguard itself only in the second.
"""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

CHAOS = Path(__file__).with_name("chaos.py")
PLAIN = "--seed 1 --rounds 2 --faults 6 --only kill,copies:notifications,poison"
LOST = "--seed 1 --rounds 2 --faults 4 --only lost-publishes"
# In both rounds a worker is killed while it waits to write what it has just heard.
DIES = "--seed 562 --rounds 2 --faults 2 --only refused-writes:{0}-db,kill:{0}-worker"
ORDERS_DIE = DIES.format("orders")
NOTIFICATIONS_DIE = DIES.format("notifications")
# It shows where an order that was overtaken is sold before the first worker goes on.
OVERTAKEN = "--seed 1 --rounds 4 --faults 3 --only overtaken"


@dataclass(frozen=True)
class Case:
    """A safeguard, the rounds, what is found without it (a pattern), and what is always off."""

    safeguard: str
    rounds: str
    finding: str
    covers: tuple[str, ...] = ()


CASES = [
    Case("conditional-update", PLAIN, "oversold: below zero"),
    Case("unique-key", PLAIN, "doubled: 2 notifications of one event"),
    Case("idempotency-key", PLAIN, "made a second order"),
    Case("parking", PLAIN, "has not come to"),
    Case("give-back", PLAIN, "is cancelled, its stock"),
    Case("confirm", LOST, "nobody told the customer"),
    Case("attempt", OVERTAKEN, "units are in confirmed orders|is confirmed, its stock"),
    Case("late-acknowledgement", NOTIFICATIONS_DIE, "nobody told the customer", ("saga-timeout",)),
    Case("saga-timeout", ORDERS_DIE, "is pending", ("late-acknowledgement",)),
    Case("answer-again", ORDERS_DIE, "is pending", ("late-acknowledgement", "giving-up")),
]


@pytest.mark.parametrize("case", CASES, ids=[case.safeguard for case in CASES])
def test_only_without_a_safeguard_the_checks_turn_red(case: Case) -> None:
    code, told = chaos(case.rounds, case.covers)
    assert code == 0, told
    code, told = chaos(case.rounds, (case.safeguard, *case.covers))
    assert code == 1, told
    assert re.search(case.finding, told), told
    assert "replay: make chaos SEED=" in told


@functools.cache  # the same rounds show several safeguards
def chaos(rounds: str, without: tuple[str, ...]) -> tuple[int, str]:
    """The exit code of the chaos, and all that it says."""
    words = [sys.executable, str(CHAOS), *rounds.split(), "--without", ",".join(without)]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout
