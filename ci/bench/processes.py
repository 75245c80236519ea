"""What processes use, from /proc: seconds of the processor, and memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def families(roots: Iterable[int]) -> set[int]:
    """These processes and all that descend from them."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(_after_name(stat)[1])
        except OSError:  # it has ended
            continue
    found, new = set(), set(roots)
    while new:
        found |= new
        new = {child for child, parent in parents.items() if parent in new} - found
    return found


class Times(NamedTuple):
    """Seconds of the processor, spent in user mode and in the kernel."""

    user: float
    kernel: float


def cpu_seconds(roots: Iterable[int]) -> float:
    """The processor's time that they and their families have used."""
    return sum(cpu_times(families(roots)))


def cpu_times(processes: Iterable[int]) -> Times:
    """The processor's time that these have used, without those they started."""
    user = kernel = 0
    for process in processes:
        fields = _after_name(Path(f"/proc/{process}/stat"))
        user += int(fields[11])
        kernel += int(fields[12])
    return Times(user / _TICKS, kernel / _TICKS)


def resident_bytes(roots: Iterable[int]) -> int:
    """The sum of their resident memory; what several share counts for each."""
    pages = [Path(f"/proc/{p}/statm").read_text().split()[1] for p in families(roots)]
    return sum(map(int, pages)) * _PAGE


def _after_name(stat: Path) -> list[str]:
    """The fields from `state` on; the name before them may hold anything."""
    return stat.read_text().rpartition(")")[2].split()
