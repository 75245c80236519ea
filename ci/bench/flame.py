"""Draws bars as a flame graph: width is time, and who is called hangs below who calls him."""

from __future__ import annotations

import html

from bars import KERNEL, Bar

LEAST = 0.03  # of the whole: what took less is not drawn
WIDTH, ROW, LETTER = 900, 26, 7.2
STYLE = (
    "text{font:13px sans-serif;fill:#1b1f24}rect{fill:#dfe5ec}.ours{fill:#f6c28b}"
    ".whole{fill:#c3d4ea}.kernel{fill:#cfd8c4}"
    "@media(prefers-color-scheme:dark){text{fill:#f0f3f6}rect{fill:#3a434e}.ours{fill:#8a5a1e}"
    ".whole{fill:#2f4a6d}.kernel{fill:#47553a}}"
)


def draw(title: str, whole: Bar) -> str:
    """The bars as SVG; the first two rows are the request and the processes it passes."""
    bars: list[str] = []
    deepest = _draw(whole, 0.0, 0, whole.much, bars)
    height = (deepest + 1) * ROW
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>{html.escape(title)}</title>",
            f"<style>{STYLE}</style>",
            *bars,
            "</svg>\n",
        ]
    )


def _draw(bar: Bar, left: float, depth: int, whole: float, bars: list[str]) -> int:
    """Adds a bar and those below it; how deep they went."""
    width = bar.much / whole * WIDTH
    said = f"{bar.name} {bar.much:,.0f} µs"
    place = f'x="{left:.1f}" y="{depth * ROW}" width="{max(width - 1, 1):.1f}" height="{ROW - 1}"'
    bars.append(f"<g><title>{html.escape(said)}</title><rect {_class(bar, depth)}{place}/>")
    if label := _fitting(said, bar.name, int((width - 8) / LETTER)):
        at = f'x="{left + 4:.1f}" y="{depth * ROW + 17}"'
        bars.append(f"<text {at}>{html.escape(label)}</text>")
    bars.append("</g>")
    deepest = depth
    for called in sorted(bar.calls.values(), key=lambda each: -each.much):
        if called.much >= LEAST * whole:
            deepest = max(deepest, _draw(called, left, depth + 1, whole, bars))
            left += called.much / whole * WIDTH
    return deepest


def _class(bar: Bar, depth: int) -> str:
    kind = "whole" if depth < 2 else "kernel" if bar.name == KERNEL else ""
    kind = kind or ("ours" if bar.name.endswith(".py") else "")
    return f'class="{kind}" ' if kind else ""


def _fitting(said: str, name: str, letters: int) -> str:
    """As much as there is room for: of a name its end, or at least four letters; or nothing."""
    last = name.rpartition("/")[2]
    for label in (said, name, last):
        if len(label) <= letters:
            return label
    return f"{last[: letters - 1]}…" if letters > 4 else ""
