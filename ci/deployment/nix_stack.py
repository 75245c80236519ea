"""The processes of `nix run .#up`, as the files in nix/ name them."""

import re
import tomllib

from e2e.repository import ROOT

APPS = (ROOT / "nix/apps.nix").read_text()
SERVICE = re.compile(r"^    ([\w-]+) = \{ folder = \.\./([\w-]+); port = (\d+); \};$", re.MULTILINE)


def ports() -> dict[str, int]:
    """Where each service listens, as a process and in its image."""
    found = SERVICE.findall((ROOT / "nix/default.nix").read_text())
    return {_service(folder): int(port) for _, folder, port in found}


def stores() -> dict[str, int]:
    """Where each store listens."""
    return {name: int(port) for name, port in re.findall(r"^    (\w+) = store (\d+)", APPS, re.M)}


def told() -> dict[str, dict[str, str]]:
    """Each process, and what it is told."""
    found = tomllib.loads((ROOT / "nix/processes.toml").read_text())
    web = {_service(name): variables for name, variables in found.items()}
    workers = {f"{name}-worker": told for name, told in web.items() if "BROKER_URL" in told}
    for name, port in ports().items():
        web[name] = {**web[name], "BIND": f"127.0.0.1:{port}"}
    added = re.findall(r'"METRICS_BIND=127\.0\.0\.1:\$\{toString \(.*port \+ (\d+)\)\}"', APPS)
    for processes, more in zip((web, workers), map(int, added), strict=True):
        for process, its in processes.items():
            port = ports()[process.removesuffix("-worker")] + more
            processes[process] = {**its, "METRICS_BIND": f"127.0.0.1:{port}"}
    return {**web, **workers}


def seconds_to_stop() -> set[int]:
    return {int(seconds) for seconds in re.findall(r"shutdown\.timeout_seconds = (\d+)", APPS)}


def _service(folder: str) -> str:
    return folder.removeprefix("api-")
