"""Writes what of the docs is made of code and contracts; `--check` compares, and writes nothing."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / name) for name in ("ci", "ci/deployment", "compose/embedded")]

import drawing  # noqa: E402 - what they read is in the folders above
import errors_page  # noqa: E402
import events_page  # noqa: E402
import logs_page  # noqa: E402
import metrics_page  # noqa: E402
import picture  # noqa: E402
import routes_page  # noqa: E402
import settings_page  # noqa: E402

PAGES = {"settings": settings_page, "routes": routes_page, "events": events_page,
         "errors": errors_page, "metrics": metrics_page, "logs": logs_page}  # fmt: skip
MARKERS = re.compile(r"(<!-- drawing: made by `make docs` -->\n).*?(<!-- end of drawing -->)", re.S)
PICTURE = ROOT / "docs/images/architecture.svg"


def wanted() -> dict[Path, str]:
    """Every file that is written here, but the picture, and what it should hold."""
    readme = ROOT / "README.md"
    drawn = f"```mermaid\n{drawing.mermaid()}\n```\n"
    text, found = MARKERS.subn(lambda m: m[1] + drawn + m[2], readme.read_text())
    if found != 1:
        raise SystemExit("README.md has no place for the drawing, or two")
    pages = {ROOT / f"docs/reference/{name}.md": made.made() for name, made in PAGES.items()}
    return {readme: text, **pages}


def is_old(picture_of: str) -> bool:
    return not PICTURE.exists() or picture.digest(picture_of) not in PICTURE.read_text()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say what is not as it should be")
    check = parser.parse_args().check
    files = wanted().items()
    old = [path for path, text in files if not path.exists() or path.read_text() != text]
    for path, text in files:
        if path in old and not check:
            path.write_text(text)
    if is_old(drawing.mermaid()):
        old.append(PICTURE)
        if not check:
            PICTURE.write_text(picture.draw(drawing.mermaid()))
    for path in old:
        name = path.relative_to(ROOT)
        print(f"{name} is not as the code says: run `make docs`" if check else f"{name} written")
    return int(check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
