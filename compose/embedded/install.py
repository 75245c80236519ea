"""Installs each part's own environment from its hashed lock; a second run has nothing to do."""

import fcntl
import hashlib
import importlib.util
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from place import ROOT, SERVICES

FOLDERS = [*SERVICES, "api-gateway", "compose/embedded"]


def check_python() -> None:
    """Says what is missing before anything is tried."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what runs on an older one
        version = ".".join(map(str, sys.version_info[:2]))
        raise SystemExit(
            f"Python 3.11 or newer is needed, this is {version}: make PYTHON=python3.13 up"
        )
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise SystemExit("this Python cannot make environments: apt install python3-venv")


def stamp(folder: Path, lock: str) -> str:
    """Changes when the lock, the package's own description, or the Python does."""
    digest = hashlib.sha256(sys.version.encode() + sys.prefix.encode() + str(folder).encode())
    for name in (lock, "pyproject.toml"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def install(folder: Path, logs: Path, tests: bool) -> bool:
    """Makes folder/.venv hold what the lock says; tells whether anything was done."""
    tests = tests and (folder / "requirements-test.lock").exists()
    name = str(folder.relative_to(ROOT))
    venv, mark = folder / ".venv", folder / ".venv/installed"
    locks = ["requirements.lock", "requirements-test.lock"]
    stamps = [stamp(folder, lock) for lock in locks if (folder / lock).exists()]
    installed = mark.read_text() if mark.exists() else ""
    if installed == stamps[-1] or (installed == stamps[0] and not tests):
        return False
    print(f"{name:18} installing", flush=True)
    started = time.monotonic()
    log = logs / f"install-{folder.name}.log"
    if installed not in stamps:  # never leave packages of an older lock behind
        shutil.rmtree(venv, ignore_errors=True)
    mark.unlink(missing_ok=True)
    pip = [str(venv / "bin/python"), "-m", "pip", "install", "--no-input"]
    steps = [
        [sys.executable, "-m", "venv", str(venv)],
        [*pip, "--require-hashes", "-r", locks[tests]],
    ]
    if (folder / "src").exists():
        steps.append([*pip, "--no-deps", "--no-build-isolation", "-e", "."])
    with log.open("w") as output:
        for step in steps:
            done = subprocess.run(step, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
            if done.returncode:
                output.flush()
                tail = "\n".join(log.read_text().splitlines()[-15:])
                raise SystemExit(f"{name}: could not be installed; the end of {log}:\n{tail}")
    mark.write_text(stamps[tests])
    print(f"{name:18} installed in {time.monotonic() - started:.0f} s", flush=True)
    return True


def install_all(run: Path, tests: bool = False, folders: list[str] = FOLDERS) -> bool:
    """Two at a time; tells whether anything was done."""
    check_python()
    guard = ROOT / ".run/install.lock"  # environments are shared by every copy of this checkout
    guard.parent.mkdir(exist_ok=True)
    with guard.open("w") as held, ThreadPoolExecutor(2) as pool:
        fcntl.flock(held, fcntl.LOCK_EX)
        present = [ROOT / name for name in folders if (ROOT / name / "requirements.lock").exists()]
        jobs = [pool.submit(install, folder, run / "logs", tests) for folder in present]
        return any([job.result() for job in jobs])
