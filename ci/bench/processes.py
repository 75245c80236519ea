"""What processes use, from /proc: seconds of the processor, and memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

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


def cpu_seconds(roots: Iterable[int]) -> float:
    """The processor's time that they have used, in user and kernel mode."""
    ticks = 0
    for process in families(roots):
        fields = _after_name(Path(f"/proc/{process}/stat"))
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def resident_bytes(roots: Iterable[int]) -> int:
    """The sum of their resident memory; what several share counts for each."""
    pages = [Path(f"/proc/{p}/statm").read_text().split()[1] for p in families(roots)]
    return sum(map(int, pages)) * _PAGE


def _after_name(stat: Path) -> list[str]:
    """The fields from `state` on; the name before them may hold anything."""
    return stat.read_text().rpartition(")")[2].split()
