"""Node, and the tools of package.json, installed beside it."""

import hashlib
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"
_OLDEST = 18  # what Debian 12 has


def install() -> None:
    """Install what package-lock.json names, unless it is there; ends the program without Node."""
    if not _is_here():
        raise SystemExit(
            f"This needs Node.js {_OLDEST} or newer, and npm; nothing else of the shop does. "
            "On Debian: apt-get install nodejs npm"
        )
    done = MODULES / "installed"
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    if done.exists() and done.read_text() == wanted:
        return
    print("installing the tools of package.json", flush=True)
    command = ["npm", "ci", "--loglevel=error"]
    if subprocess.run(command, cwd=HERE).returncode:
        raise SystemExit("npm could not install the tools of package-lock.json")
    done.write_text(wanted)


def run(program: str, *words: str | Path, cwd: Path = HERE) -> subprocess.CompletedProcess[str]:
    """Runs a file of node_modules."""
    command = ["node", str(MODULES / program), *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def _is_here() -> bool:
    if not (shutil.which("node") and shutil.which("npm")):
        return False
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    return int(version.strip().lstrip("v").partition(".")[0]) >= _OLDEST
