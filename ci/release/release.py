"""What a release takes: `prepare` makes the commit that is tagged, `check` and `notes` read it."""

import argparse
import filecmp
import re
import shutil
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HEADING = re.compile(r"^## (\S+)(?: — \d{4}-\d\d-\d\d)?$", re.MULTILINE)
NEXT = "Unreleased"


def sections(changelog: str) -> dict[str, str]:
    """Version → what changed, the newest first; what has none yet is Unreleased."""
    pieces = HEADING.split(changelog)[1:]
    return {name: text.strip() for name, text in zip(pieces[::2], pieces[1::2], strict=True)}


def contracts(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.openapi.json")}


def problems(root: Path, version: str) -> Iterator[str]:
    """Why this commit is not the release of that version."""
    told = sections((root / "CHANGELOG.md").read_text())
    if not told.get(version):
        yield f"CHANGELOG.md says nothing of {version}"
    elif told.get(NEXT):
        yield f"CHANGELOG.md keeps changes as unreleased: they belong to {version}"
    elif next(name for name in told if name != NEXT) != version:
        yield f"{version} is not the newest version of CHANGELOG.md"
    now, released = root / "contracts", root / "contracts/released"
    names = contracts(now) | contracts(released)
    _, *different = filecmp.cmpfiles(now, released, names, shallow=False)
    for name in sorted(sum(different, [])):
        yield f"contracts/released/{name} is not contracts/{name}"


def prepare(root: Path, version: str) -> None:
    """Give what is unreleased its version and day; what is promised from now on is released."""
    file = root / "CHANGELOG.md"
    text = file.read_text()
    if not sections(text).get(NEXT):
        raise SystemExit("CHANGELOG.md has nothing that is unreleased")
    if version in sections(text):
        raise SystemExit(f"CHANGELOG.md has {version} already")
    file.write_text(text.replace(f"## {NEXT}\n", f"## {version} — {date.today()}\n", 1))
    now, released = root / "contracts", root / "contracts/released"
    for name in contracts(released):
        (released / name).unlink()
    for name in contracts(now):
        shutil.copy(now / name, released / name)


def version_of(text: str) -> str:
    """0.2.0, also of its tag v0.2.0."""
    if not (match := re.fullmatch(r"v?(\d+\.\d+\.\d+)", text)):
        raise argparse.ArgumentTypeError(f"not a version as 0.2.0: {text}")
    return match[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in {
        "prepare": "name what is unreleased in CHANGELOG.md, and copy contracts to released/",
        "check": "whether this commit is that release; if not, why",
        "notes": "print what CHANGELOG.md says of it",
    }.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("version", type=version_of, help="as 0.2.0, or its tag v0.2.0")
    options = parser.parse_args()
    if options.command == "prepare":
        prepare(ROOT, options.version)
        print(f"Next: make contracts-check test, commit all of it, and tag it v{options.version}")
        return 0
    found = list(problems(ROOT, options.version))
    if options.command == "notes" and not found:
        print(sections((ROOT / "CHANGELOG.md").read_text())[options.version])
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
