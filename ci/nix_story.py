"""The end-to-end tests, on what `nix build` makes of each service: `make test-nix`.

They run in a copy of what is committed, where the environments of the services are those of the
Nix store; all else is as in `make test`. Words go to pytest.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "compose/embedded"))

from install import stamp  # noqa: E402 - found by the line above

from split import services  # noqa: E402


def built(copy: Path, service: str) -> Path:
    """Where the store has the service's environment."""
    command = ["nix", "build", "--no-link", "--print-out-paths", f"path:{copy}#{service}"]
    return Path(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    )


def lend(environment: Path, folder: Path) -> None:
    """The folder's .venv is another environment, and is said to hold what the lock says."""
    venv = folder / ".venv"
    venv.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (venv / name).symlink_to(environment / name)
    (venv / "installed").write_text(stamp(folder, "requirements.lock"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words = parser.parse_known_args()[1]
    if not shutil.which("nix"):
        parser.error("nix is not on the path: see docs/how-to/build-with-nix.md")
    with tempfile.TemporaryDirectory(prefix="shop-nix-") as name:
        copy = Path(name).resolve()
        archive = subprocess.run(
            ["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True
        )
        subprocess.run(["tar", "-x"], cwd=copy, check=True, input=archive.stdout)
        found = {service: built(copy, service) for service in services()}
        for service, environment in found.items():
            print(f"{service:15} {environment}", flush=True)
            lend(environment, copy / service)
        lend(ROOT / "compose/embedded/.venv", copy / "compose/embedded")
        done = subprocess.run([sys.executable, "-m", "pytest", *words], cwd=copy / "ci")
        if not all((copy / service / ".venv/bin").is_symlink() for service in found):
            sys.exit("something was installed in place of what Nix had made")
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
