"""The tools that come from npm: ci/node/package.json says which, and they stay in that folder.

Run by itself this writes their lock, after a change of package.json.
"""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "node"
_OLDEST = 18  # Debian 12 has it


def install() -> None:
    """Install what the lock names, unless it is there. Ends with a sentence without Node."""
    named, done = FOLDER / "package-lock.json", FOLDER / "node_modules/installed"
    wanted = hashlib.sha256(named.read_bytes()).hexdigest()
    if not _is_here():
        raise SystemExit(
            f"This needs Node.js {_OLDEST} or newer, and npm; only this command does. On Debian: "
            "apt-get install nodejs npm"
        )
    if done.exists() and done.read_text() == wanted:
        return
    print("installing the tools of ci/node …", flush=True)
    if subprocess.run(["npm", "ci", "--loglevel=error"], cwd=FOLDER).returncode:
        raise SystemExit("npm could not install the tools of ci/node")
    done.write_text(wanted)


def _is_here() -> bool:
    if not (shutil.which("node") and shutil.which("npm")):
        return False
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    return int(version.strip().lstrip("v").partition(".")[0]) >= _OLDEST


def lock() -> None:
    """Write the lock: versions and hashes, and no host, so that any registry can serve it."""
    command = ["npm", "install", "--package-lock-only"]
    subprocess.run(command, cwd=FOLDER, check=True)
    path = FOLDER / "package-lock.json"
    made = json.loads(path.read_text())
    for package in made["packages"].values():
        package.pop("funding", None)
        package.pop("resolved", None)
    path.write_text(json.dumps(made, indent=2) + "\n")


if __name__ == "__main__":
    lock()
