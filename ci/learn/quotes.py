"""Keeps the code that the docs quote equal to the code: `make docs` writes it, lint compares.

A quote is a fenced block after a comment that says where it is from: a name in a Python file, the
lines from one text to another, or a whole file.

    <!-- from orders/src/orders/use_cases.py: place_order -->
    <!-- from compose/compose.yaml: "  orders-worker:" to "healthcheck:" -->
    <!-- from docs/tutorial/05-break.diff -->
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
QUOTE = re.compile(
    r"(?P<head><!-- from (?P<path>[^\s:]+)(?:: (?P<part>.+?))? -->\n```\w*\n).*?(?P<tail>^```$)",
    re.MULTILINE | re.DOTALL,
)
RANGE = re.compile(r'"(.+)" to "(.+)"')


def named(text: str, name: str) -> str:
    """The lines of a function, a class, a method (Class.method) or a constant."""
    scope = ast.parse(text).body
    for word in name.split("."):
        found = next((node for node in scope if word in names_of(node)), None)
        if found is None:
            raise LookupError(f"has no {name}")
        scope = getattr(found, "body", [])
    first = min([found.lineno, *(line.lineno for line in getattr(found, "decorator_list", []))])
    return "\n".join(text.splitlines()[first - 1 : found.end_lineno])


def names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return [getattr(node, "name", "")]


def between(text: str, first: str, last: str) -> str:
    """The lines from one that contains `first` to the next that contains `last`, both with it."""
    lines = text.splitlines()
    start = next((number for number, line in enumerate(lines) if first in line), None)
    if start is None:
        raise LookupError(f"has no line with {first!r}")
    for end in range(start, len(lines)):
        if last in lines[end]:
            return "\n".join(lines[start : end + 1])
    raise LookupError(f"has no line with {last!r} after {first!r}")


def quoted(path: str, part: str | None) -> str:
    """What stands there now, with its indentation taken off."""
    text = (ROOT / path).read_text()
    if part is None:
        found = text
    elif limits := RANGE.fullmatch(part):
        found = between(text, limits[1], limits[2])
    else:
        found = named(text, part)
    return textwrap.dedent(found).strip("\n")


def renewed(page: str) -> str:
    """The text of a page with every quote as the code is now."""

    def again(match: re.Match) -> str:
        return f"{match['head']}{quoted(match['path'], match['part'])}\n{match['tail']}"

    return QUOTE.sub(again, page)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if a quote is old")
    options = parser.parse_args()
    old = []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        text = page.read_text()
        try:
            new = renewed(text)
        except (LookupError, OSError, SyntaxError) as error:
            raise SystemExit(f"{page.relative_to(ROOT)}: what it quotes {error}") from error
        if new != text:
            old.append(page.relative_to(ROOT))
            if not options.check:
                page.write_text(new)
    if old and options.check:
        print("these quote code that is no longer so; `make docs` writes it anew:", *old)
    return int(bool(old and options.check))


if __name__ == "__main__":
    sys.exit(main())
