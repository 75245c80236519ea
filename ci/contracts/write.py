"""Writes contracts/<service>.openapi.json: what each service says of itself."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    sources = sorted(ROOT.glob("*/src/*/cli.py"))
    # The gateway is last: its contract is made of the others.
    for source in sorted(sources, key=lambda path: path.parent.name == "gateway"):
        package, folder = source.parent.name, source.parent.parent.parent
        command = [str(folder / ".venv/bin" / package), "contract"]
        written = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE)
        if written.returncode:
            raise SystemExit(f"{package} contract failed")
        target = ROOT / f"contracts/{folder.name}.openapi.json"
        changed = not target.exists() or target.read_bytes() != written.stdout
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(written.stdout)
        print(f"{target.relative_to(ROOT)} {'written' if changed else 'as before'}")


if __name__ == "__main__":
    main()
