"""The beat of this host's worker: a file that it touches, so that asking costs next to nothing.

It needs no database: a worker whose database is away is alive, and a restart would not help it.
`python -m <service>.chassis.beat` ends with status 1 where no worker was seen lately.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

SECONDS = 5
STALE_SECONDS = 20  # a worker not seen for so long counts as gone

FILE = Path(tempfile.gettempdir()) / f"{(__package__ or '').split('.')[0]}-worker-{os.getuid()}"


def beat() -> None:
    """Say that this worker is alive."""
    FILE.touch()


def stop() -> None:
    """Say that it has ended of its own will."""
    FILE.unlink(missing_ok=True)


def is_alive() -> bool:
    """Whether a worker of this host was seen lately."""
    try:
        return time.time() - FILE.stat().st_mtime < STALE_SECONDS
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(0 if is_alive() else "no worker of this host was seen lately")
