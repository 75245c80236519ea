"""The whole shop in the containers of compose.yaml, running for the chaos alone."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random
from urllib.parse import urlsplit, urlunsplit

from faults import Faults
from given import LeftOut
from place import SERVICES, with_database
from schedule import Fault
from servers import Redis
from stores import Stores
from system import HIDDEN, ROOT, SETTINGS, System
from tap import Tap

import real_servers  # found by way of system

PROJECT = os.environ.get("COMPOSE_PROJECT_NAME") or "shop-chaos"
FILES = [ROOT / "compose/compose.yaml", ROOT / "ci/chaos/compose.yaml"]
SECRETS = ROOT / "compose/secrets"
EMAIL = "admin@shop.example"
UP_SECONDS = "600"


def docker(*words: str, given: str | None = None, **environment: str) -> str:
    """What a command of the engine prints. Raises RuntimeError with what it says when it fails."""
    told = {**os.environ, **environment}
    done = subprocess.run(["docker", *words], env=told, input=given, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout


def container_of(target: str) -> str:
    """The container of what the schedule calls orders-web, orders-db or broker."""
    if target.endswith("-db"):
        return f"{PROJECT}-mongo-1"
    known = {"broker": "rabbitmq", "cache": "redis"}
    return f"{PROJECT}-{known.get(target, target.removesuffix('-web'))}-1"


class Cable:
    """The way of a store into the network inside; it can be pulled out, as a door can be shut."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._plugged, self._lock = True, threading.Lock()

    def shut(self) -> None:
        """Nobody inside reaches it; what was sent gets no answer."""
        with self._lock:
            if self._plugged:
                docker("network", "disconnect", f"{PROJECT}_inside", container_of(self.target))
                self._plugged = False

    def open(self) -> None:
        with self._lock:
            if not self._plugged:
                name = container_of(self.target).split("-")[-2]
                words = ["--alias", name, f"{PROJECT}_inside", container_of(self.target)]
                docker("network", "connect", *words)
                self._plugged = True

    def cut(self) -> None:
        self.shut()
        self.open()


class FaultsOfContainers(Faults):
    """The same faults; who dies is brought back by its restart policy."""

    def pids(self, name: str) -> list[int]:
        """The processes in a container as the engine's machine knows them, the first one first."""
        with suppress(RuntimeError):  # it is not running just now
            lines = docker("top", container_of(name), "-eo", "pid").split()
            return sorted(int(line) for line in lines[1:])
        return []

    def _send(self, pid: int, number: signal.Signals) -> None:
        # `docker kill` would count as the wish that it stays away
        try:
            docker("exec", f"{PROJECT}-hand", "sh", "-c", f"kill -{number} {pid}")
        except RuntimeError as error:
            raise ProcessLookupError from error

    def _refused_writes(self, fault: Fault, chance: Random) -> None:
        """The service's user may only read for a while: no test command of MongoDB is needed."""
        service = fault.target.removesuffix("-db")
        self.stores.grant(service, "read")
        time.sleep(fault.seconds)
        self.stores.grant(service, "readWrite")

    def _broker_restart(self, fault: Fault, chance: Random) -> None:
        docker("restart", container_of("broker"))
        self.tap.waiting([])  # until it answers

    def _lost_publishes(self, fault: Fault, chance: Random) -> None:
        """What is sent to a broker that hangs is gone, for then it is killed."""
        pids = self.pids("broker")
        for pid in pids:
            self._signal(pid, signal.SIGSTOP)
        time.sleep(fault.seconds)
        for pid in pids:
            self._signal(pid, signal.SIGKILL)
            self._stopped.discard(pid)
        self.tap.waiting([])

    def _lost_confirms(self, fault: Fault, chance: Random) -> None:
        """Nobody hears from a broker that goes on for a while, and then is killed."""
        self.broker.shut()
        time.sleep(fault.seconds)
        for pid in self.pids("broker"):
            self._signal(pid, signal.SIGKILL)
        self.broker.open()
        self.tap.waiting([])

    def _cache_restart(self, fault: Fault, chance: Random) -> None:
        number = chance.choice([signal.SIGTERM, signal.SIGKILL])
        for pid in self.pids("cache"):
            self._signal(pid, number)

    def _overtaken(self, fault: Fault, chance: Random) -> None:
        raise LeftOut("a second worker is only started beside a process")


@contextmanager
def running(run: Path, without: str = "") -> Iterator[System]:
    """Start everything, maybe without a safeguard; in the end keep the logs in `run`."""
    if not SECRETS.exists():
        subprocess.run([sys.executable, ROOT / "compose/make_secrets.py"], check=True)
    ports = {name: real_servers.free_port() for name in ("gateway", "mongo", "rabbitmq", "redis")}
    environment = {name: text for name, text in os.environ.items() if name not in HIDDEN}
    environment |= {f"{name.upper()}_PORT": str(port) for name, port in ports.items()}
    environment |= {**SETTINGS, "CHAOS_WITHOUT": without}

    def compose(*words: str, given: str | None = None) -> str:
        files = [word for file in FILES for word in ("--file", str(file))]
        return docker(
            "compose", "--ansi", "never", "-p", PROJECT, *files, *words, given=given, **environment
        )

    def end() -> None:
        for name in compose("config", "--services").split():
            text = compose("logs", "--no-color", "--no-log-prefix", name)
            (run / "logs" / f"{name}.log").write_text(text)
        compose("down", "--volumes", "--timeout", "5")

    with ExitStack() as stack:
        (run / "logs").mkdir()
        stack.callback(end)
        compose("up", "--build", "--wait", "--wait-timeout", UP_SECONDS)
        hand = ["--name", f"{PROJECT}-hand", "--pid", "host", "--user", "0", "--network", "none"]
        docker("run", "--detach", "--rm", *hand, "--entrypoint", "sleep", "redis:8", "infinity")
        stack.callback(docker, "rm", "--force", f"{PROJECT}-hand")
        password = secrets.token_hex(16)
        admin = ["users", "admin", "create", "--email", EMAIL]
        compose("exec", "-T", "users", *admin, given=password)
        tap = Tap(_from_here("broker_url", ports["rabbitmq"]))
        stack.callback(tap.close)
        root = (SECRETS / "mongo_root_password").read_text().strip()
        mongo = f"mongodb://root:{root}@127.0.0.1:{ports['mongo']}/?authSource=admin"
        stores = Stores({name: with_database(mongo, name) for name in SERVICES}, None)
        stack.callback(stores.close)
        redis = Redis(_from_here("cache_url", ports["redis"]))
        faults = FaultsOfContainers(run, Cable("broker"), Cable("cache"), redis, stores, tap)
        stack.callback(faults.calm)
        login = {"email": EMAIL, "password": password}
        yield System(f"http://127.0.0.1:{ports['gateway']}", login, stores, tap, faults)


def _from_here(secret: str, port: int) -> str:
    """The URL in a secret, with the port of this machine that leads there."""
    url = urlsplit((SECRETS / secret).read_text().strip())
    login = url.netloc.rpartition("@")[0]
    return urlunsplit(url._replace(netloc=f"{login}@127.0.0.1:{port}"))
