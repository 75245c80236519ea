"""Runs wrk against one address, and reads what it says at its end."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")
CONNECTIONS = 16  # at once: as many as one worker of the gateway opens to one service


@dataclass(frozen=True)
class Target:
    """Who is asked, and for what: paths in turn, every so many-th request an order (0: none)."""

    url: str
    paths: tuple[str, ...]
    token: str = ""
    order_every: int = 0
    order_bodies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """What came of one run of wrk. Times are milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int  # answers that are not 2xx or 3xx, broken connections, and none in time

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


def read(output: str) -> Run:
    """The figures in what wrk printed; ends with a sentence where there are none."""
    for line in output.splitlines():
        if line.startswith("FIGURES "):
            return Run(**json.loads(line.removeprefix("FIGURES ")))
    raise SystemExit(f"wrk gave no figures:\n{output}")


def run(target: Target, seconds: int, connections: int = CONNECTIONS) -> Run:
    """Load for so long."""
    environment = {
        "PATHS": " ".join(target.paths),
        "TOKEN": target.token,
        "ORDER_EVERY": str(target.order_every),
        "ORDER_BODIES": "\n".join(target.order_bodies),
        "RUN": uuid.uuid4().hex,
    }
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    done = subprocess.run(
        [*command, "-s", str(SCRIPT), target.url],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    return read(done.stdout + done.stderr)


def warm_up(targets: dict[str, Target], seconds: int = 2) -> None:
    """Load that nobody counts."""
    for target in targets.values():
        run(target, seconds)
    time.sleep(0.5)
