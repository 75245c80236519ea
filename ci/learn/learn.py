"""Grades this copy of the shop by what an episode says must hold: `make learn EPISODE=05`.

For each sentence the tests that show it are run; where one fails, it says what is missing. Without
an episode all are graded.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import textwrap
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from episodes import ROOT, Claim, Episode, episodes


def run(folder: str, tests: list[str]) -> dict[str, str]:
    """Each test (path::name in that folder) that did not pass, and why."""
    with tempfile.TemporaryDirectory() as place:
        report = Path(place, "report.xml")
        words = [str(ROOT / folder / ".venv/bin/python"), "-m", "pytest", "-q", "--color=no"]
        done = subprocess.run(
            [*words, "-p", "no:cacheprovider", f"--junit-xml={report}", *tests],
            cwd=ROOT / folder,
            env={**os.environ, "PYTHONPATH": "src"},  # this copy's code, wherever pip points
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        cases = ElementTree.parse(report).iter("testcase") if report.exists() else []
        found = defaultdict(list)
        for case in cases:
            test = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
            found[test.split("[")[0]].append(case)
    # What pytest could not even collect is in no report by its name.
    lost = f"could not be run:\n{textwrap.shorten(done.stdout[-2000:], 1000, placeholder='')}"
    results = {test: judge(found[test]) if test in found else lost for test in tests}
    return {test: why for test, why in results.items() if why}


def judge(cases: list[ElementTree.Element]) -> str:
    """Why a test failed, or an empty text; one of its cases may be skipped, but not all."""
    for kind in ("failure", "error"):
        for case in cases:
            if (fault := case.find(kind)) is not None:
                return fault.get("message") or fault.text or kind
    skips = [case.find("skipped") for case in cases]
    return "" if None in skips else f"skipped: {skips[0].get('message')}"


def grade(claims: list[Claim]) -> dict[str, str]:
    """Every failing test, named from the root, and why; one pytest for each folder."""
    folders = defaultdict(list)
    for test in sorted({test for claim in claims for test in claim.tests}):
        folder, _, rest = test.partition("/")
        folders[folder].append(rest)
    return {
        f"{folder}/{test}": why
        for folder, tests in folders.items()
        for test, why in run(folder, tests).items()
    }


def show(episode: Episode) -> bool:
    """Prints a line for each sentence; whether all hold."""
    print(f"Episode {episode.title}", flush=True)
    claims = episode.claims
    failing = grade(claims)
    for claim in claims:
        missing = [test for test in claim.tests if test in failing]
        print(f"  {'✗' if missing else '✓'} {claim.sentence}")
        for test in missing:
            first = "\n".join(failing[test].splitlines()[:3])
            print(f"      {test}\n{textwrap.indent(first, ' ' * 8)}")
    if failing:
        print(f"  Something is missing; the code to look at is in {episode.path.relative_to(ROOT)}")
    return not failing


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("episode", nargs="?", help="its number, for example 05; else all of them")
    wanted = parser.parse_args().episode
    found = [one for one in episodes() if wanted is None or one.number == wanted.zfill(2)]
    if not found:
        numbers = ", ".join(one.number for one in episodes())
        raise SystemExit(f"there is no episode {wanted}; there are {numbers}")
    return 0 if all([show(episode) for episode in found]) else 1


if __name__ == "__main__":
    sys.exit(main())
