"""Breaks the rules of a service on purpose, one at a time, and counts what its tests notice.

mutmut (`[tool.mutmut]` in the service's pyproject.toml names the files) runs in the service's own
environment; what it needs itself comes from the environment of ci, behind the service's: all locks
are resolved together, so they agree.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from real_servers import free_port

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ["orders", "products"]
LEAST = 80  # percent of all mutants that a test must kill; one that times out is not killed
TOOLS = sysconfig.get_path("purelib")
MUTMUT = f"import sys; sys.path.append({TOOLS!r}); from mutmut.__main__ import cli; cli()"


@contextmanager
def database(programs: Path) -> Iterator[str]:
    """One database server for all mutants: to start one takes longer than most tests."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="shop-mutation-") as folder:
        command = [programs / "secantusd-py", "--standalone", "--cache-size", "64M"]
        command += ["--port", str(port), "--storage-path", folder]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, stdout=quiet, stderr=quiet) as server:
            try:
                wait_for(port)
                yield f"mongodb://127.0.0.1:{port}"
            finally:
                server.terminate()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def mutate(folder: Path) -> list[tuple[str, str]]:
    """Try every mutant of a service: its name, and what became of it."""
    shutil.rmtree(folder / "mutants", ignore_errors=True)  # no verdict of older tests
    mutmut = [folder / ".venv/bin/python", "-c", MUTMUT]
    with database(folder / ".venv/bin") as url:
        environment = {"TEST_MONGO_URL": url, "CONTRACTS_DIR": str(ROOT / "contracts")}
        run = subprocess.Popen(
            [*mutmut, "run", "--max-children", "2"],
            cwd=folder,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        try:
            if run.wait():
                raise SystemExit(f"{folder.name}: mutmut could not run")
        finally:
            with suppress(ProcessLookupError):  # a mutant without end leaves its Redis behind
                os.killpg(run.pid, signal.SIGKILL)
    said = subprocess.run(
        [*mutmut, "results", "--all", "true"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [line.strip().rsplit(": ", 1) for line in said.stdout.splitlines() if ": " in line]
    return [(name, became) for name, became in lines]


def report(found: list[tuple[str, str]]) -> float:
    """Print what became of the mutants of each file; the percentage that was killed."""
    files: dict[str, Counter[str]] = {}
    for name, became in found:
        file = "/".join(name.split(".")[:2]) + ".py"
        files.setdefault(file, Counter())[became] += 1
        if became not in ("killed", "timeout"):
            print(f"{became:10} {name}")
    print(f"{'':26} mutants  killed  timeout  survived  other  killed")
    rows = [*files.items(), ("together", sum(files.values(), Counter()))]
    for file, count in rows:
        killed, late, survived = (count[kind] for kind in ("killed", "timeout", "survived"))
        share = 100 * killed / max(count.total(), 1)
        other = count.total() - killed - late - survived
        print(
            f"{file:26} {count.total():7} {killed:7} {late:8} {survived:9} {other:6} {share:5.1f} %"
        )
    return share


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("services", nargs="*", metavar="SERVICE", help=" ".join(SERVICES))
    chosen = parser.parse_args().services or SERVICES
    if unknown := set(chosen) - set(SERVICES):
        parser.error(f"no rules to break in {', '.join(sorted(unknown))}: only in {SERVICES}")
    shares = {name: report(mutate(ROOT / name)) for name in chosen}
    short = [name for name, share in shares.items() if share < LEAST]
    if short:
        print(f"fewer than {LEAST} % killed: {', '.join(short)}", file=sys.stderr)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
