"""Checks the contracts with the tools others would use, and against the last release.

Redocly's and Spectral's rules are in ci/node, each exception with its reason.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from changes import Change, Contract, changes

import node_tools

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
TOOLS = ROOT / "ci/node"


def main() -> int:
    node_tools.install(TOOLS)
    # Not in a list with `and`: one run tells all that is wrong.
    passed = [passes_redocly(), passes_spectral(), *map(passes_comparison, released_or_now())]
    return 0 if all(passed) else 1


def passes_redocly() -> bool:
    return _run("node", "redocly.mjs")


def passes_spectral() -> bool:
    files = [os.path.relpath(path, TOOLS) for path in sorted(CONTRACTS.glob("*.json"))]
    rules = ["--ruleset=spectral.yaml", "--fail-severity=hint", "--format=stylish"]
    print("spectral: ", end="", flush=True)
    return _run("node_modules/.bin/spectral", "lint", *rules, *files)


def _run(*command: str) -> bool:
    return subprocess.run(command, cwd=TOOLS).returncode == 0


def released_or_now() -> list[str]:
    """The names of all contracts, also of one that is gone."""
    return sorted({path.name for path in CONTRACTS.glob("**/*.openapi.json")})


def passes_comparison(name: str) -> bool:
    """Whether a contract keeps what its release promised, or says in its version that it does not.

    Prints each change that breaks.
    """
    old, new = CONTRACTS / "released" / name, CONTRACTS / name
    title = name.removesuffix(".openapi.json")
    if not old.exists():
        print(f"{title}: new, never released")
        return True
    if not new.exists():
        print(f"{title}: GONE, but it was released: all of it breaks", file=sys.stderr)
        return False
    was, now = (json.loads(path.read_bytes()) for path in (old, new))
    found = changes(was, now)
    broken = [change for change in found if change.breaks]
    for change in broken:
        print(f"  {change.where}: {change.what} [{change.id}]")
    return _say(title, was, now, found, broken)


def _say(
    title: str, was: Contract, now: Contract, found: list[Change], broken: list[Change]
) -> bool:
    versions = was["info"]["version"], now["info"]["version"]
    ok = not broken or may_break(*versions)
    said = f"{title}: {len(found)} changes, {len(broken)} of them break"
    if broken and ok:
        said += f"; {versions[0]} → {versions[1]} says so"
    elif broken:
        said += "; make them so that they do not, or raise the version: see CONTRIBUTING.md"
    print(said)
    return ok


def may_break(old: str, new: str) -> bool:
    """Whether the version rose in the number that says: what was promised may not hold.

    It is the first; before 1.0.0 the second (semver.org, 4).
    """
    was, now = ([int(number) for number in version.split(".")] for version in (old, new))
    return now[:1] > was[:1] or (was[0] == 0 and now[:2] > was[:2])


if __name__ == "__main__":
    sys.exit(main())
