"""Copies the chassis, the files that services hold byte for byte; `--check` compares them.

A service gets the files that its own code imports, and what those import; nothing else is needed.
Where the service of the origin was taken away there is nothing to copy and nothing to compare.
"""

import argparse
import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ORIGIN = ROOT / "orders/src/orders/chassis"
TOOL = ROOT / "orders/tests/queries.py"  # that tests of several services use


def imported(path: Path, levels: int) -> set[str]:
    """The chassis files a file names: `from . import logs` or `from .logs import log`.

    `levels` is 1 inside the chassis; outside it the import goes through `.chassis`.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        module = (node.module or "").split(".")
        if levels:
            inside = node.level == 1
        else:
            inside = "chassis" in module
            module = module[module.index("chassis") + 1 :] if inside else []
        if inside and any(module):
            found.add(module[0])
        elif inside:
            found |= {alias.name for alias in node.names}
    return {f"{name}.py" for name in found if (ORIGIN / f"{name}.py").exists()}


def needed(package: Path) -> set[str]:
    """The chassis files of one service: what it imports, and what these import in turn."""
    own = [path for path in package.rglob("*.py") if path.parent.name != "chassis"]
    own += package.parent.parent.glob("gunicorn.conf.py")
    wanted = {"__init__.py"}.union(*(imported(path, levels=0) for path in own))
    while more := set().union(*(imported(ORIGIN / name, levels=1) for name in wanted)) - wanted:
        wanted |= more
    return wanted


def copies() -> list[tuple[Path, Path]]:
    """Every (copy, origin)."""
    folders = [path for path in sorted(ROOT.glob("*/src/*/chassis")) if path != ORIGIN]
    tools = [path for path in sorted(ROOT.glob("*/tests/queries.py")) if path != TOOL]
    return [(path, TOOL) for path in tools] + [
        (folder / name, ORIGIN / name)
        for folder in folders
        for name in sorted(needed(folder.parent) | {p.name for p in folder.glob("*.py")})
    ]


def is_same(path: Path, origin: Path) -> bool:
    return path.exists() and origin.exists() and path.read_bytes() == origin.read_bytes()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    only_check = parser.parse_args().check
    if not ORIGIN.exists():
        print("chassis: its origin is not here; nothing to compare")
        return 0
    pairs = copies()
    different = [pair for pair in pairs if not is_same(*pair)]
    for path, origin in different:
        print(f"{path.relative_to(ROOT)} differs from {origin.relative_to(ROOT)}")
        if not only_check and origin.exists():
            path.write_bytes(origin.read_bytes())
        elif not only_check:
            path.unlink()
    files = list(ORIGIN.glob("*.py"))
    lines = sum(len(path.read_text().splitlines()) for path in files)
    verb = "differ" if only_check else "copied"
    print(
        f"chassis: {len(files)} files, {lines} lines; {len(pairs)} copies, {len(different)} {verb}"
    )
    return 1 if only_check and different else 0


if __name__ == "__main__":
    sys.exit(main())
