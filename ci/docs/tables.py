"""Markdown that every generated page is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MADE = "<!-- Made by `make docs`: change {source}, not this page. -->\n"


def page(title: str, source: str, *parts: str) -> str:
    """A whole page, whose first lines say where it comes from."""
    return "\n".join([MADE.format(source=source), f"# {title}\n", *parts])


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(_cell(text) for text in line)} |\n" for line in lines)


def code(text: object) -> str:
    return f"`{text}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "\\<")
