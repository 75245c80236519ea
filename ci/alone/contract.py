"""Takes a newer contract of another service in, and shows what of it breaks this one.

It is compared with the pinned one, then every test is run on it; it stays where all is well, and
else the old one does. `--check` only tells whether the files are those of contracts/pinned.json.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from views import data_of, lacks

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
PINNED = CONTRACTS / "pinned.json"

Contract = dict[str, Any]


def file_of(service: str) -> Path:
    return CONTRACTS / f"{service}.openapi.json"


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """What changed, and where, as lines."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            at = f"{where} {key}".strip()
            if key not in new:
                yield f"- {at}"
            elif key not in old:
                yield f"+ {at}"
            else:
                yield from differences(old[key], new[key], at)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, f"{where}[{index}]")
    elif old != new:
        yield f"~ {where}: {json.dumps(old)} is now {json.dumps(new)}"


def broken_events(own: Contract, old: Contract, new: Contract) -> Iterator[str]:
    """Of the events that are heard here, what the new contract no longer holds."""
    told = new.get("webhooks", {})
    for name, event in own.get("x-hears", {}).get("events", {}).items():
        if name in told:
            yield from (f"{name}: {lack}" for lack in lacks(event["data"], data_of(told[name])))
        elif name in old.get("webhooks", {}):
            yield f"{name}: is no longer told"


def take_in(source: str) -> int:
    """Replace a pinned contract, if what is built on it still holds."""
    try:
        with urllib.request.urlopen(source) if "://" in source else open(source, "rb") as opened:
            data = opened.read()
        new = json.loads(data)
    except (OSError, ValueError) as error:
        raise SystemExit(f"{source} cannot be read: {error}") from None
    pins = json.loads(PINNED.read_text())
    before = {service: file_of(service).read_bytes() for service in pins}
    titles = {json.loads(text)["info"]["title"]: service for service, text in before.items()}
    if (service := titles.get(new["info"]["title"])) is None:
        print(f"{new['info']['title']} is none of those relied on: {', '.join(pins) or 'none'}")
        return 2
    old, file = json.loads(before[service]), file_of(service)
    print(f"{service} {old['info']['version']} → {new['info']['version']}")
    print(*(differences(old, new) if old != new else ["the same as before"]), sep="\n")
    [own] = [p for p in CONTRACTS.glob("*.openapi.json") if p.name[:-13] not in pins]
    broken = list(broken_events(json.loads(own.read_bytes()), old, new))
    file.write_bytes(data)
    tests = subprocess.run([sys.executable, "-m", "pytest"], cwd=ROOT).returncode
    if broken or tests:
        file.write_bytes(before[service])
        print(*broken, "the tests fail on it" if tests else "the tests pass on it", sep="\n")
        print(f"it breaks this service: {file.name} is as it was")
        return 1
    pins[service] = {
        "version": new["info"]["version"],
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    PINNED.write_text(json.dumps(pins, indent=2) + "\n")
    print(f"nothing breaks: {file.name} and pinned.json are new")
    return 0


def check() -> int:
    """Whether each pinned contract is the file that it was."""
    wrong = [
        f"{file_of(service).name} is not the file that contracts/pinned.json names"
        for service, pin in json.loads(PINNED.read_text()).items()
        if hashlib.sha256(file_of(service).read_bytes()).hexdigest() != pin["sha256"]
    ]
    print("\n".join(wrong) or "the pinned contracts are as they were")
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="?", help="a file, or a URL")
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args()
    if options.check:
        return check()
    if not options.source:
        parser.error("name the newer contract: make contract FROM=<file or URL>")
    return take_in(options.source)


if __name__ == "__main__":
    sys.exit(main())
