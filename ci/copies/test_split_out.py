"""What a service takes along when it is split out; `make test-split` tests and starts it there."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from checkout import ROOT

SERVICES = sorted(path.parent.name for path in ROOT.glob("*/Dockerfile"))


def code(folder: Path) -> dict[str, str]:
    """Each file of `src` without what its docstring says."""
    trees = {path: ast.parse(path.read_text()) for path in folder.glob("src/*/**/*.py")}
    for tree in trees.values():
        if ast.get_docstring(tree):
            del tree.body[0]
    return {str(path.relative_to(folder)): ast.dump(tree) for path, tree in trees.items()}


@pytest.mark.parametrize("service", SERVICES)
def test_it_runs_the_same_code_there_as_here(service: str, tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "ci/split.py", service, "--into", tmp_path / service]
    subprocess.run(command, check=True, capture_output=True)
    assert code(tmp_path / service) == code(ROOT / service)
