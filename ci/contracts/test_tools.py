"""The tools that come from npm are named exactly, and by no host."""

import json
import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "node"

LOCK = (FOLDER / "package-lock.json").read_text()


def test_the_lock_names_no_host() -> None:
    assert "://" not in LOCK
    assert '"resolved"' not in LOCK


def test_the_lock_has_the_hash_of_every_package() -> None:
    packages = json.loads(LOCK)["packages"]
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


def test_every_tool_has_one_version() -> None:
    wanted = json.loads((FOLDER / "package.json").read_text())
    versions = [*wanted["dependencies"].values(), *wanted["optionalDependencies"].values()]
    assert [version for version in versions if not re.fullmatch(r"[0-9.]+", version)] == []
