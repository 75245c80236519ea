"""The cluster in a container engine, as a project of its own, and what can be done to it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from real_servers import free_port

ROOT = Path(__file__).resolve().parents[2]
FILES = ["compose/compose.yaml", "compose/compose.cluster.yaml", "ci/replicas/test.yaml"]
SERVICES = ["users", "products", "orders", "notifications"]
BROKERS = ["rabbitmq", "rabbitmq-2", "rabbitmq-3"]
PATIENCE = 600.0  # seconds for what ends by itself, on a machine that has much to do
# The whole of a database's answer in one line of JSON.
LOOK = """
const found = {};
for (const [name, [service, collection, fields]] of Object.entries(%s))
  found[name] = db.getSiblingDB(service)[collection].find({}, fields).toArray();
print(JSON.stringify(found));
"""


def wait(until: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """What `until` gives as soon as it is something."""
    deadline = time.monotonic() + seconds
    while not (found := until()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.5)
    return found


class Cluster:
    """Containers of a running cluster, by the names of their services."""

    def __init__(self) -> None:
        port = os.environ.get("GATEWAY_PORT") or str(free_port())
        self.url = f"http://127.0.0.1:{port}"
        self._environment = {
            "COMPOSE_PROJECT_NAME": "shop-test-cluster",
            **os.environ,
            "COMPOSE_FILE": os.pathsep.join(str(ROOT / name) for name in FILES),
            "GATEWAY_PORT": port,
        }

    def run(self, *words: str, stdin: str = "") -> str:
        """What a command says; it must succeed."""
        done = subprocess.run(
            words, env=self._environment, input=stdin, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
        return done.stdout

    def compose(self, *words: str, stdin: str = "") -> str:
        return self.run("docker", "compose", "--progress", "quiet", *words, stdin=stdin)

    def up(self) -> None:
        if not (ROOT / "compose/secrets/erlang_cookie").exists():
            self.run(sys.executable, str(ROOT / "compose/make_secrets.py"))
        self.compose("up", "--build", "--wait", "--wait-timeout", str(int(PATIENCE)))

    def down(self) -> None:
        self.compose("down", "--volumes", "--timeout", "5")

    def make_admin(self) -> dict[str, str]:
        """Login of a new admin."""
        login = {"email": f"{secrets.token_hex(8)}@shop.example", "password": secrets.token_hex(16)}
        words = ["users", "users", "admin", "create", "--email", login["email"]]
        self.compose("exec", "-T", *words, stdin=f"{login['password']}\n")
        return login

    def containers(self, service: str) -> list[str]:
        return sorted(self.compose("ps", "--quiet", service).split())

    def kill(self, *containers: str) -> None:
        """As if the machine they are on were gone; the engine does not start them again."""
        self.run("docker", "kill", *containers)

    def start(self, *containers: str) -> None:
        """Start what was killed, and wait until it is well."""
        self.run("docker", "start", *containers)
        form = "{{.State.Health.Status}}"
        for container in containers:
            ask = ["docker", "inspect", "--format", form, container]
            wait(lambda ask=ask: self.run(*ask).strip() == "healthy", f"{container} is healthy")

    def roll(self) -> None:
        """Replace every container of every service, as a person would."""
        self.run(sys.executable, str(ROOT / "compose/roll.py"))

    def queues(self) -> dict[str, dict[str, Any]]:
        """Each queue as the brokers know it; `online` are those members that are there."""
        at = next(name for name in BROKERS if self.containers(name))
        columns = ["name", "leader", "members", "online", "messages"]
        words = ["rabbitmqctl", "--quiet", "--formatter", "json", "list_queues", *columns]
        said = self.compose("exec", "-T", at, *words)
        return {queue["name"]: queue for queue in json.loads(said)}

    def leader(self, queue: str) -> str:
        """The container of the broker that leads this queue."""
        (container,) = self.containers(self.queues()[queue]["leader"].removeprefix("rabbit@"))
        return container

    def look(self, **wanted: tuple[str, str, list[str]]) -> dict[str, list[dict]]:
        """Documents by a name: each of (service, collection, fields)."""
        asked = {
            name: (service, collection, dict.fromkeys(fields, 1))
            for name, (service, collection, fields) in wanted.items()
        }
        url = 'mongodb://root:"$(cat /run/secrets/mongo_root_password)"@mongo/'
        words = ["bash", "-c", f"mongosh --quiet --norc {url} --file /dev/stdin"]
        said = self.compose("exec", "-T", "mongo", *words, stdin=LOOK % json.dumps(asked))
        return json.loads(said[said.index("{") :])
