"""A sixth service is written into every table: `make lint` holds once its reference is written.

It is quick: the environments are those that are here, and nothing is started. `make
test-new-service` does what a person does, with a new environment, every test and the whole shop.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from checkout import ROOT, copy_to

# The picture needs a browser; that of the drawing with samples in it is only named.
DOCS = """
import generated, picture
picture.draw = picture.digest
raise SystemExit(generated.main())
"""


def run(folder: Path, *words: str | Path) -> bytes:
    """What a command says; it must succeed. Code comes from its own `src`, where it has one."""
    environment = {**os.environ, "PYTHONPATH": "src", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with samples in it, and its contract and the gateway's written."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone, so nobody knows what is of the repository")
    copy = tmp_path_factory.mktemp("grown")
    copy_to(copy)
    (copy / "ci/.venv").symlink_to(ROOT / "ci/.venv")
    run(copy, sys.executable, "ci/new_service.py", "samples")
    for folder, package, like in [
        ("samples", "samples", "notifications"),
        ("api-gateway", "gateway", "api-gateway"),
    ]:
        command = f"from {package}.cli import main; main(['contract'])"
        said = run(copy / folder, ROOT / like / ".venv/bin/python", "-c", command)
        (copy / f"contracts/{folder}.openapi.json").write_bytes(said)
    return copy


def test_its_docs_can_be_written_and_then_the_checks_hold(grown: Path) -> None:
    run(grown / "ci/docs", sys.executable, "-c", DOCS)
    run(grown, sys.executable, "ci/learn/quotes.py")
    assert "`sample_id`" in (grown / "docs/reference/logs.md").read_text()
    run(grown, "make", "lint", "SHOP=true")  # which installs nothing


def test_its_table_of_queries_has_rows_for_its_own_collections_only(grown: Path) -> None:
    rows = (grown / "samples/tests/test_indexes.py").read_text()
    code = "".join(path.read_text() for path in (grown / "samples/src").rglob("*.py"))
    asked = set(re.findall(r'^    "(\w+): ', rows, re.MULTILINE))
    assert "samples" in asked and not [name for name in asked if f'"{name}"' not in code]
