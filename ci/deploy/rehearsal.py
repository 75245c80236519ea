"""Starts new images beside what they are to replace, to see whether they get healthy at all."""

import json
import subprocess
import time
from pathlib import Path

SECONDS = 120
LOG_LINES = 15


def rehearse(file: Path, before: dict[str, dict]) -> str:
    """Try the web processes whose image is another than before; which is not healthy, or nothing.

    Workers are not tried: they would begin to work. A container of `compose run` has neither the
    name nor the port of its service, so that nobody asks it anything.
    """
    for name, service in json.loads(file.read_text())["services"].items():
        known = service["image"] == before.get(name, {}).get("image")
        if known or service.get("command") or "@" not in service["image"]:
            continue
        print(f"trying the new {name} beside the old", flush=True)
        compose = ["docker", "compose", "--progress", "quiet", "-f", str(file)]
        container = _output(*compose, "run", "--detach", "--no-deps", name)
        try:
            if (health := _wait(container)) != "healthy":
                print(f"--- the end of the log of the new {name}", flush=True)
                subprocess.run(["docker", "logs", "--tail", str(LOG_LINES), container])
                return f"the new {name} is {health}"
        finally:
            _output("docker", "rm", "--force", "--volumes", container)
    return ""


def _wait(container: str) -> str:
    """How it is when that is decided."""
    deadline = time.monotonic() + SECONDS
    while True:
        state = json.loads(_output("docker", "inspect", "--format", "{{json .State}}", container))
        health = state.get("Health", {}).get("Status", "without a health check")
        if not state["Running"]:
            return f"{state['Status']} with {state['ExitCode']}"
        if health != "starting" or time.monotonic() > deadline:
            return health
        time.sleep(0.5)


def _output(*command: str) -> str:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()
