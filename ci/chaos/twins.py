"""A second worker beside the first: the same program, told the same."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

READY_SECONDS = 20


def twin_of(pid: int, log: Path) -> subprocess.Popen | None:
    """Started, and hearing events unless the broker is away; None if `pid` has ended."""
    process = Path(f"/proc/{pid}")
    try:
        words = (process / "cmdline").read_text().split("\0")[:-1]
        told = (process / "environ").read_text().split("\0")
    except OSError:
        return None
    environment = dict(word.split("=", 1) for word in told if "=" in word)
    if not environment.pop("SUPERVISOR_PROCESS_NAME", None):  # by that, the first one is found
        return None
    environment.pop("METRICS_BIND", None)  # the first one has the port
    with log.open("w") as output:
        twin = subprocess.Popen(words, env=environment, stdout=output, stderr=output)
    deadline = time.monotonic() + READY_SECONDS
    while "consumer.ready" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    return twin
