"""The tools that come from npm: a folder's package.json says which, and they stay in that folder.

Run by itself, with such a folder, this writes its lock after a change of package.json.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

_OLDEST = 18  # Debian 12 has it


def install(folder: Path) -> None:
    """Install what the lock names, unless it is there. Ends with a sentence without Node."""
    if not _is_here():
        raise SystemExit(
            f"This needs Node.js {_OLDEST} or newer, and npm; only this command does. On Debian: "
            "apt-get install nodejs npm"
        )
    done = folder / "node_modules/installed"
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    if done.exists() and done.read_text() == wanted:
        return
    print(f"installing the npm tools of ci/{folder.name} …", flush=True)
    if subprocess.run(["npm", "ci", "--loglevel=error"], cwd=folder).returncode:
        raise SystemExit(f"npm could not install what ci/{folder.name}/package-lock.json names")
    done.write_text(wanted)


def run(
    folder: Path, program: str, *words: str | Path, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a file of the folder's node_modules, there or in `cwd`."""
    command = ["node", str(folder / "node_modules" / program), *map(str, words)]
    return subprocess.run(command, cwd=cwd or folder, capture_output=True, text=True)


def _is_here() -> bool:
    if not (shutil.which("node") and shutil.which("npm")):
        return False
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    return int(version.strip().lstrip("v").partition(".")[0]) >= _OLDEST


def lock(folder: Path) -> None:
    """Write the lock: versions and hashes, and no host, so that any registry can serve it."""
    subprocess.run(["npm", "install", "--package-lock-only"], cwd=folder, check=True)
    path = folder / "package-lock.json"
    made = json.loads(path.read_text())
    for package in made["packages"].values():
        package.pop("funding", None)
        package.pop("resolved", None)
    path.write_text(json.dumps(made, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the lock of a folder's package.json.")
    parser.add_argument("folder", type=Path, help="ci/node or ci/clients")
    lock(parser.parse_args().folder.resolve())
