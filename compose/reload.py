"""Runs a command, and again whenever a file below /src has changed: python reload.py COMMAND ...

For compose.dev.yaml. gunicorn's own --reload would keep the modules that its configuration imports,
such as settings, and a worker has none.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

SOURCES = Path("/src")
EVERY_SECONDS = 0.5


def seen() -> set[tuple[Path, int]]:
    """Every source and when it was written."""
    found = set()
    for path in (path for path in SOURCES.rglob("*.*") if path.suffix != ".pyc"):
        try:
            found.add((path, path.stat().st_mtime_ns))
        except (
            FileNotFoundError
        ):  # an editor puts a new file in the place of the old one
            continue
    return found


def main(command: list[str]) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    while True:
        before = seen()
        process = subprocess.Popen(command)
        try:
            # Also when it has ended: a mended file starts it again.
            while seen() == before:
                time.sleep(EVERY_SECONDS)
        finally:
            process.terminate()
            process.wait()
        print(f"sources changed: {' '.join(command)} begins anew", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
