"""Installs each part's own environment from its hashed lock; a second run has nothing to do."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from checks import check_venv
from place import ROOT, SERVICES

FOLDERS = [*SERVICES, "api-gateway", "compose/embedded"]
INSTALLER = ROOT / ".run/installer"  # one pip for all: making one for each takes 4 s a time


def stamp(folder: Path, lock: str) -> str:
    """Changes when the lock, the package's own description, or the Python does."""
    digest = hashlib.sha256(sys.version.encode() + sys.base_prefix.encode() + str(folder).encode())
    for name in (lock, "pyproject.toml"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def make_installer() -> None:
    """An environment with nothing but pip, of this Python."""
    mark, wanted = INSTALLER / "made", sys.version + sys.base_prefix + str(INSTALLER)
    if mark.exists() and mark.read_text() == wanted:
        return
    print("preparing pip", flush=True)
    made = [sys.executable, "-m", "venv", "--clear", str(INSTALLER)]
    done = subprocess.run(made, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"python -m venv failed:\n{done.stdout}{done.stderr}")
    mark.write_text(wanted)


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
    if installed and installed not in stamps:  # no package of an older lock stays behind
        shutil.rmtree(venv, ignore_errors=True)
    mark.unlink(missing_ok=True)
    pip = [
        str(INSTALLER / "bin/pip"),
        "--python",
        str(venv / "bin/python"),
        "install",
        "--no-input",
    ]
    steps = [
        [sys.executable, "-m", "venv", "--without-pip", str(venv)],
        [*pip, "--no-deps", "--require-hashes", "-r", locks[tests]],
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
    check_venv()
    guard = ROOT / ".run/install.lock"  # environments are shared by every copy of this checkout
    guard.parent.mkdir(exist_ok=True)
    with guard.open("w") as held, ThreadPoolExecutor(2) as pool:
        fcntl.flock(held, fcntl.LOCK_EX)
        present = [ROOT / name for name in folders if (ROOT / name / "requirements.lock").exists()]
        make_installer()
        jobs = [pool.submit(install, folder, run / "logs", tests) for folder in present]
        return any([job.result() for job in jobs])
