"""Bounds the logs of supervisord.conf: a full one is put aside as .1, and begun anew.

The programs write to the end of their logs themselves and are told nothing: what a log held is
copied, and the file emptied under them. A log passes FULL by what comes within a second at most.
"""

import sys
import time
from configparser import RawConfigParser
from pathlib import Path

FULL = 5_000_000  # bytes
LOOK_SECONDS = 1


def put_aside(log: Path) -> None:
    """A line that comes between the last look and the cut, microseconds later, is lost."""
    with log.open("r+b", buffering=0) as file, Path(f"{log}.1").open("wb", buffering=0) as aside:
        while said := file.read(1_000_000):
            aside.write(said)
        file.truncate(0)


def logs_of(run: Path) -> list[Path]:
    """Only those of programs: who does not write to the end must not find the file emptied."""
    conf = RawConfigParser()
    conf.read(run / "supervisord.conf")
    sections = (section.partition(":") for section in conf.sections())
    return [run / f"logs/{name}.log" for kind, _, name in sections if kind == "program"]


def put_full_ones_aside(logs: list[Path]) -> None:
    for log in logs:
        if log.exists() and log.stat().st_size > FULL:
            put_aside(log)


if __name__ == "__main__":
    logs = logs_of(Path(sys.argv[1]))
    while True:
        put_full_ones_aside(logs)
        time.sleep(LOOK_SECONDS)
