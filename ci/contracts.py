"""Writes contracts/<service>.openapi.json: what each service says of itself."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    for source in sorted(ROOT.glob("*/src/*/cli.py")):
        package, folder = source.parent.name, source.parent.parent.parent
        command = [str(folder / ".venv/bin" / package), "contract"]
        written = subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout
        target = ROOT / f"contracts/{package}.openapi.json"
        changed = not target.exists() or target.read_bytes() != written
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(written)
        print(f"{target.relative_to(ROOT)} {'written' if changed else 'as before'}")


if __name__ == "__main__":
    main()
