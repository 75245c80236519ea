"""Runs every suite from its own folder and sums them up: each service, and the shop as a whole.

Two run at a time, since most of what they do is wait; on servers that are given, one, since they
would hear each other's events. Words that are not options of this script go to each pytest.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("bench", "contracts", "copies", "deployment", "release")  # quick tests of folders of ci
GIVEN = ("MONGO_URL", "BROKER_URL", "CACHE_URL")
AT_A_TIME = 1 if any(map(os.environ.get, GIVEN)) else 2
NO_TESTS = 5  # pytest's exit status when nothing was selected
COUNT = re.compile(r"(\d+) (passed|failed|skipped|errors?|deselected|xfailed|xpassed)")


def suites(real: bool) -> list[tuple[str, Path, list[str]]]:
    """Name, folder and options of each suite."""
    services = sorted(path.parent for path in ROOT.glob("*/src"))
    only_real = ["-m", "real"] if real else []
    if real:  # the gateway, for one, has nothing to do with brokers
        services = [path for path in services if "real:" in (path / "pyproject.toml").read_text()]
    return [
        ("end to end", ROOT / "ci", []),  # first, since it takes as long as all others
        *((folder.name, folder, only_real) for folder in services),
        *([] if real else [(name, ROOT / "ci", [name]) for name in PARTS]),
    ]


def run(name: str, folder: Path, options: list[str], log: Path) -> tuple[bool, Counter[str], str]:
    """One suite: whether it passed, its counts, what to print (all that it said if it failed)."""
    command = [str(folder / ".venv/bin/python"), "-m", "pytest", "-rs", "--color=no"]
    with log.open("w") as output:
        done = subprocess.run([*command, *options], cwd=folder, stdout=output, stderr=output)
    lines = log.read_text(errors="replace").splitlines()
    last = next((line.strip("= ") for line in reversed(lines) if " in " in line), "no summary")
    counts = Counter({kind.rstrip("s"): int(count) for count, kind in COUNT.findall(last)})
    ok = done.returncode == NO_TESTS or (done.returncode == 0 and counts.total() > 0)
    skipped = [f"{'':15} {line}" for line in lines if ok and line.startswith("SKIPPED")]
    return ok, counts, "\n".join([*([] if ok else lines), f"{name:15} {last}", *skipped])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", action="store_true", help="only what needs real servers")
    parser.add_argument("--only", metavar="SUITE", help="one suite, for example users")
    options, rest = parser.parse_known_args()
    logs = Path(os.environ.get("RUN_DIR") or ROOT / ".run").resolve() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    started, total, all_ok = time.monotonic(), Counter(), True
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        runs = [
            pool.submit(
                run, name, folder, [*words, *rest], logs / f"test-{name.replace(' ', '-')}.log"
            )
            for name, folder, words in suites(options.real)
            if options.only in (None, name, folder.name)
        ]
        for done in as_completed(runs):
            ok, counts, said = done.result()
            print(said, flush=True)
            total, all_ok = total + counts, all_ok and ok
    if not all_ok and not total["failed"]:
        total["error"] += 1  # a suite that broke down before it could count
    order = ["failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "error"]
    summed = ", ".join(f"{total[kind]} {kind}" for kind in order if total[kind]) or "no tests ran"
    print(f"{f' {summed} in {time.monotonic() - started:.2f}s ':=^80}")
    return 0 if all_ok else 1


if __name__ == "__main__":
    sys.exit(main())
