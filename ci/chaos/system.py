"""The whole shop, running for the chaos alone: real broker and cache, each behind a door."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path += [str(ROOT / "ci"), str(ROOT / "compose/embedded")]

from doors import Door  # noqa: E402
from faults import Faults  # noqa: E402
from given import GivenMongo  # noqa: E402
from place import SERVICES, known_ports, with_database  # noqa: E402 - found by the line above
from servers import Redis  # noqa: E402
from stores import Stores  # noqa: E402
from tap import Tap  # noqa: E402

import real_servers  # noqa: E402 - as place

SAGA_TIMEOUT = 5.0
SETTINGS = {
    "SAGA_TIMEOUT": str(SAGA_TIMEOUT),
    "RETRY_DELAYS": "0.2,0.5,1,2,3",
    "RATE_LIMIT": "100000/minute",
}
# They are the chaos' own, and a service would take some for a misspelt setting of its own.
HIDDEN = {"SEED", "ROUNDS", "ORDERS", "FAULTS", "MONGO_URL", "BROKER_URL", "CACHE_URL"}


@dataclass(frozen=True)
class System:
    """A running shop, and the ways to look at it and to harm it."""

    base_url: str
    credentials: dict[str, str]
    stores: Stores
    tap: Tap
    faults: Faults


@contextmanager
def running(run: Path, without: str | None = None) -> Iterator[System]:
    """Start everything in the folder `run`, maybe without a safeguard; stop it in the end."""
    with ExitStack() as stack:
        urls = {**os.environ, **stack.enter_context(real_servers.servers())}
        tap = Tap(urls["BROKER_URL"])
        stack.callback(tap.close)
        broker, cache = Door(urls["BROKER_URL"]), Door(urls["CACHE_URL"])
        redis = Redis(urls["CACHE_URL"])
        stack.callback(redis.stop)
        gateway = real_servers.free_port()
        environment = {name: text for name, text in os.environ.items() if name not in HIDDEN}
        environment |= SETTINGS | {
            "HOME": str(_home(run)),
            "RUN_DIR": str(run),
            "GATEWAY_PORT": str(gateway),
            "BROKER_URL": broker.url,
            "CACHE_URL": cache.url,
        }
        if given := urls.get("MONGO_URL"):  # databases of this run alone
            given = environment["MONGO_URL"] = with_database(given, run.name)
        if without:
            switch = Path(__file__).with_name("without")
            environment |= {"PYTHONPATH": str(switch), "CHAOS_WITHOUT": without}
        stack.callback(_shop, "down", environment)
        _shop("up", environment)
        stores = Stores(_databases(run, given), GivenMongo(given) if given else None)
        stack.callback(stores.close)
        faults = Faults(run, broker, cache, redis, stores, tap)
        stack.callback(faults.calm)
        login = json.loads((run / "credentials.json").read_text())
        yield System(f"http://127.0.0.1:{gateway}", login, stores, tap, faults)


def _databases(run: Path, given: str | None) -> dict[str, str]:
    """The URL of each service's database."""
    ports = known_ports(run)
    return {
        name: with_database(given or f"mongodb://127.0.0.1:{ports[f'{name}-db']}", name)
        for name in SERVICES
    }


def _home(run: Path) -> Path:
    """A home folder in which the databases find that they may be told to refuse writes."""
    settings = run / "home/.secantus/secantusd.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("[server]\nenable_test_commands = true\n")
    return run / "home"


def _shop(command: str, environment: dict[str, str]) -> None:
    words = [sys.executable, str(ROOT / "compose/embedded/shop.py"), command]
    done = subprocess.run(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise SystemExit(f"shop.py {command} failed:\n{done.stdout}")
