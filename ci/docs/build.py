"""Builds the site of the docs into ci/docs/out/site; a warning, or a link to nowhere, ends it."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FRONT = '<!doctype html><meta http-equiv="refresh" content="0; url={0}"><a href="{0}">Docs</a>'


def build(source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Anew each time, since a page may be wrong because another one changed."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning"]
    command += ["--conf-dir", str(HERE), "--doctree-dir", str(out / "doctrees")]
    return subprocess.run(
        [*command, str(source), str(out / "site")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    done = build(ROOT, HERE / "out")
    print(done.stdout, end="")
    if done.returncode == 0:
        front = HERE / "out/site/index.html"
        front.write_text(FRONT.format("docs/README.html"))
        print(f"the site is in {front.parent.relative_to(ROOT)}: open {front.as_uri()}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
