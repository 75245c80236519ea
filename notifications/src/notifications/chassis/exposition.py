"""/metrics of a web process: one server, in gunicorn's master, for all workers.

Each worker counts in files of its own, kept in memory (prometheus_client's multiprocess mode); who
asks is given their sum. So the answer is right whichever workers there are and were, and comes
while all of them are busy.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .environment import Address

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client looks for it when it is imported

Hooks = tuple[Callable[[Any], None], Callable[[Any, Any], None], Callable[[Any], None]]

# Held while the files are read or changed, and while gunicorn forks: no worker begins its life
# with what the thread of the server was just doing.
_quiet = threading.Lock()
_folder: Path | None = None


def show_all(bind: Address | None) -> Hooks:
    """gunicorn's hooks when_ready, child_exit and on_exit; without `bind` they do nothing."""

    def when_ready(arbiter: Any) -> None:
        if bind:
            _serve(bind)
            arbiter.log.info("Metrics at: http://%s:%s/metrics", *bind)

    def child_exit(arbiter: Any, worker: Any) -> None:
        if not _folder:
            return
        try:
            _keep_counts_of(worker.pid, _folder)
        except Exception as error:  # the edge: what is only counted may not end the master
            arbiter.log.warning("the counts of worker %s are lost: %r", worker.pid, error)

    def on_exit(_: Any) -> None:
        if _folder:
            shutil.rmtree(_folder, ignore_errors=True)

    return when_ready, child_exit, on_exit


def _serve(bind: Address) -> None:
    global _folder
    memory = Path("/dev/shm")  # noqa: S108 — as gunicorn's heartbeat files
    prefix = f"shop-metrics-{bind.port}-"
    place = memory if memory.is_dir() else Path(tempfile.gettempdir())
    os.environ[VARIABLE] = tempfile.mkdtemp(prefix=prefix, dir=place)
    _folder = Path(os.environ[VARIABLE])
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    registry.register(_Sum(_folder))  # type: ignore[arg-type]
    server, _ = start_http_server(bind.port, bind.host, registry)
    # The port is ours: what others left under its name is of masters that were killed.
    for left in place.glob(f"{prefix}*"):
        if left != _folder:
            shutil.rmtree(left, ignore_errors=True)

    def begin_child() -> None:
        _quiet.release()
        server.socket.close()  # else the port would be taken for as long as a worker lives

    os.register_at_fork(
        before=_quiet.acquire, after_in_parent=_quiet.release, after_in_child=begin_child
    )


class _Sum:
    """What all workers in a folder have counted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Any]:
        from prometheus_client.multiprocess import MultiProcessCollector

        with _quiet:
            # one that was only just made is empty, and could not be read
            files = [str(file) for file in self._folder.glob("*.db") if file.stat().st_size]
            return list(MultiProcessCollector.merge(files))


def _keep_counts_of(pid: int, folder: Path) -> None:
    """Add what a worker that ended has counted to one file, so that files do not grow in number."""
    from prometheus_client.mmap_dict import MmapedDict
    from prometheus_client.multiprocess import mark_process_dead

    with _quiet:
        mark_process_dead(pid, str(folder))  # its gauges
        for kind in ("counter", "histogram"):
            file = folder / f"{kind}_{pid}.db"
            if not file.exists() or not file.stat().st_size:
                continue
            ended = MmapedDict(str(folder / f"{kind}_ended.db"))
            try:
                for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):
                    ended.write_value(key, ended.read_value(key)[0] + value, 0.0)
            finally:
                ended.close()
                file.unlink()
