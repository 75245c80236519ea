"""Lays one service into an empty folder as a repository of its own: `make split SERVICE=users`.

What is the same there as here is copied; ci/alone holds the few files that are only for there.
"""

import argparse
import hashlib
import json
import re
import shutil
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALONE = ROOT / "ci/alone"
SAME = ["LICENSE", ".gitignore", "flake.nix", "flake.lock", "nix", "ci/lock.py", "ci/wheels.py"]
PLACES = {  # of the files in ci/alone
    "Makefile": "Makefile",
    "contract.py": "ci/contract.py",
    "ci.yml": ".github/workflows/ci.yml",
}
TOOLS = {"uv", "packaging"}  # what ci/lock.py needs
NO_SOURCE = shutil.ignore_patterns(".venv", "__pycache__", "*.egg-info", ".*_cache", "dist")

CHASSIS = '''"""What the service stands on: settings, logs, problems, tokens, events, health.

It began as a copy of what every service of the shop holds; here it is code like any other.
"""
'''
README = """
## This repository
`make help` lists its commands. `contracts/pinned.json` says on which contracts of other services
this one relies; `make contract FROM=<file or URL>` takes a newer one in and shows what it breaks.
"""


def services() -> list[str]:
    return sorted(path.parent.name for path in ROOT.glob("*/Dockerfile"))


def contract_of(service: str) -> Path:
    return ROOT / f"contracts/{service}.openapi.json"


def consumed(service: str) -> list[str]:
    """The services on whose contracts this one relies: whom it asks, and whose events it hears."""
    settings = next((ROOT / service).glob("src/*/settings.py")).read_text()
    asked = set(re.findall(r"^    (\w+)_url:", settings, re.MULTILINE))
    if "jwks" in asked:
        asked.add("users")  # who publishes the keys
    contracts = {name: json.loads(contract_of(name).read_bytes()) for name in services()}
    heard = contracts[service].get("x-hears", {}).get("events", {}).keys()
    return [
        name
        for name, contract in contracts.items()
        if name != service and (name in asked or heard & contract.get("webhooks", {}).keys())
    ]


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=NO_SOURCE, dirs_exist_ok=True)
    else:
        shutil.copy(source, target)


def edit(file: Path, pattern: str, replacement: str) -> None:
    """Replace what must be there."""
    text, found = re.subn(pattern, replacement, file.read_text(), flags=re.MULTILINE)
    if not found:
        raise SystemExit(f"{file.name} has changed: ci/split.py no longer finds {pattern!r}")
    file.write_text(text)


def write_contracts(service: str, folder: Path) -> None:
    """The service's own contract, those that it relies on, and what these were."""
    pinned = {}
    for name in [service, *consumed(service)]:
        source = contract_of(name)
        copy(source, folder / source.name)
        if name != service:
            version = json.loads(source.read_bytes())["info"]["version"]
            sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
            pinned[name] = {"version": version, "sha256": sha256}
    (folder / "pinned.json").write_text(json.dumps(pinned, indent=2) + "\n")


def lock_of_tools() -> str:
    """Of the tools here, those that ci/lock.py needs there."""
    pins = re.split(r"^(?=\S)", (ROOT / "ci/requirements.lock").read_text(), flags=re.MULTILINE)
    return "".join(pin for pin in pins if pin.partition("==")[0] in TOOLS)


def split(service: str, into: Path) -> None:
    copy(ROOT / service, into)
    for name in SAME:
        copy(ROOT / name, into / name)
    for name, place in PLACES.items():
        copy(ALONE / name, into / place)
    copy(ROOT / "ci/contracts/views.py", into / "ci/views.py")
    project = tomllib.loads((into / "pyproject.toml").read_text())["project"]
    write_contracts(service, into / "contracts")
    (into / "ci/requirements.lock").write_text(lock_of_tools())
    # The Nix table of services: one row, whose folder is the root; and no shop to start.
    nix = into / "nix/default.nix"
    for of_the_shop in ("apps.nix", "processes.toml"):
        (into / "nix" / of_the_shop).unlink()
    edit(nix, r"^  apps = .*\n", "")
    edit(nix, rf"^    (?!{service} )[\w-]+ = {{ folder = .*\n", "")
    edit(nix, rf"folder = \.\./{service};", "folder = ../.;")
    edit(into / "flake.nix", r'description = ".*"', f'description = "{project["description"]}"')
    edit(into / "Makefile", "SERVICE := .*", f"SERVICE := {service}")
    edit(into / "Makefile", "PROGRAM := .*", f"PROGRAM := {project['name']}")
    edit(into / f"src/{project['name']}/chassis/__init__.py", r'\A"""(?s:.*?)"""\n', CHASSIS)
    with (into / "README.md").open("a") as readme:
        readme.write(README)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("service", choices=services())
    parser.add_argument("--into", type=Path, help="an empty folder; default: ../shop-<service>")
    options = parser.parse_args()
    into = (options.into or ROOT.parent / f"shop-{options.service}").resolve()
    if into.exists() and {path.name for path in into.iterdir()} - {".git"}:
        parser.error(f"{into} is not empty")
    split(options.service, into)
    relies = ", ".join(consumed(options.service)) or "no other service"
    print(f"{into} holds {options.service}, which relies on the contracts of {relies}.")
    print(f"Next: cd {into}; git init; make test lint")


if __name__ == "__main__":
    main()
