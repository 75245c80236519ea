"""Writes every lock: hashed requirements for pip, wheels.json for Nix; `--check` compares them.

A lock names versions and hashes and never a host, so any mirror can serve it.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from wheels import Pin, faults, group, only_in_test, read_lock

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ["compose/embedded", "ci", "ci/clients", "ci/docs", "ci/fuzz"]
UV = Path(sys.executable).with_name("uv")


def folders() -> list[Path]:
    """Every folder with dependencies of its own: the services, and the lists of tools.

    In a repository of one service that is its root.
    """
    services = [path.parent for path in [*ROOT.glob("src"), *sorted(ROOT.glob("*/src"))]]
    found = [*services, *(ROOT / tool for tool in TOOLS)]
    return [folder for folder in found if (folder / "pyproject.toml").exists()]


def project(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text())


def has_tests(folder: Path) -> bool:
    return "test" in project(folder).get("dependency-groups", {})


def compile_lock(sources: list[Path], output: Path, *options: str, tests: bool) -> None:
    """One resolution by uv; `tests` adds the test groups."""
    command = [str(UV), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url", *options]
    command += [str(source / "pyproject.toml") for source in sources]
    for source in sources if tests else []:
        if has_tests(source):
            command += ["--group", f"{source / 'pyproject.toml'}:test"]
    subprocess.run([*command, "--output-file", str(output)], check=True, cwd=output.parent)


def resolve(sources: list[Path], work: Path, upgrade: bool) -> tuple[Path, dict[str, str]]:
    """All folders at once, so that a package two of them use has one version.

    Gives a file of constraints and, by sha256, the name of every file that was found.
    """
    together = work / "together.txt"
    if not upgrade:  # uv keeps the versions it finds in its output file
        locks = [path / name for path in folders() for name in lock_names(path)]
        kept = {f"{pin.name}=={pin.version}" for lock in locks for pin in read_lock(lock)}
        together.write_text("".join(f"{line}\n" for line in sorted(kept)))
    compile_lock(sources, together, tests=True)
    found = work / "pylock.toml"
    limit = ("--constraints", str(together))
    compile_lock(sources, found, "--format", "pylock.toml", *limit, tests=True)
    files = {}
    for package in tomllib.loads(found.read_text())["packages"]:
        for file in [*package.get("wheels", []), package.get("sdist", {})]:
            if "url" in file:
                files[file["hashes"]["sha256"]] = file["url"].rsplit("/", 1)[-1]
    return together, files


def lock_names(folder: Path) -> list[str]:
    return ["requirements.lock", *(["requirements-test.lock"] if has_tests(folder) else [])]


def write(folder: Path, together: Path, files: dict[str, str]) -> None:
    """The locks and wheels.json of one folder."""
    limit = ("--generate-hashes", "--constraints", str(together))
    for name in lock_names(folder):
        (folder / name).unlink(missing_ok=True)
        compile_lock([folder], folder / name, *limit, tests=name != "requirements.lock")
    groups = {name: group(pins, files) for name, pins in pins_by_group(folder).items()}
    (folder / "wheels.json").write_text(json.dumps(groups, indent=1) + "\n")


def pins_by_group(folder: Path) -> dict[str, list[Pin]]:
    """What runs, and what the tests add to it."""
    run = read_lock(folder / "requirements.lock")
    if not has_tests(folder):
        return {"run": run}
    return {"run": run, "test": only_in_test(run, read_lock(folder / "requirements-test.lock"))}


def check(folder: Path) -> list[str]:
    """What is wrong with a folder's locks, as sentences; needs no network."""
    missing = [n for n in [*lock_names(folder), "wheels.json"] if not (folder / n).exists()]
    if missing:
        return [f"{name} is missing: run `make lock`" for name in missing]
    meta, found = project(folder), []
    declared = {"requirements.lock": meta["project"].get("dependencies", [])}
    if has_tests(folder):
        declared["requirements-test.lock"] = [
            *declared["requirements.lock"],
            *(line for line in meta["dependency-groups"]["test"] if isinstance(line, str)),
        ]
    for name, lines in declared.items():
        pins = read_lock(folder / name)
        found += [f"{name}: {pin.name} has no hash" for pin in pins if not pin.hashes]
        for wanted in map(Requirement, lines):
            versions = [p.version for p in pins if p.name == canonicalize_name(wanted.name)]
            if not versions:
                found.append(f"{name}: {wanted.name} of pyproject.toml is missing")
            elif not all(wanted.specifier.contains(v, prereleases=True) for v in versions):
                found.append(f"{name}: {wanted} of pyproject.toml is not met by {versions}")
    if has_tests(folder):
        run, test = (
            {(pin.name, pin.version) for pin in read_lock(folder / name)} for name in declared
        )
        found += [f"requirements-test.lock lacks {name} {version}" for name, version in run - test]
    listed = json.loads((folder / "wheels.json").read_text())
    for name, pins in pins_by_group(folder).items():
        found += faults(f"wheels.json, {name}", pins, listed.get(name, {}))
    for name in [*declared, "wheels.json"]:
        if re.search(r"://|--(extra-)?index|--find-links", (folder / name).read_text()):
            found.append(f"{name} names a host")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, use no network")
    parser.add_argument("--only", metavar="FOLDER", help="one folder, for example users")
    parser.add_argument("--upgrade", action="store_true", help="take newer versions where allowed")
    options = parser.parse_args()
    chosen = [f for f in folders() if options.only in (None, str(f.relative_to(ROOT)))]
    if not chosen:
        parser.error(f"no folder {options.only} with a pyproject.toml")
    if options.check:
        found = [
            f"{folder.relative_to(ROOT)}/{fault}" for folder in chosen for fault in check(folder)
        ]
        print("\n".join(found) or f"the locks of {len(chosen)} folders agree")
        return 1 if found else 0
    with tempfile.TemporaryDirectory() as work:
        together, files = resolve(chosen, Path(work), options.upgrade)
        for folder in chosen:
            write(folder, together, files)
            print(f"locked {folder.relative_to(ROOT)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
