"""Where the time of a request goes: a profile of each process it passes, as flame graphs.

Each picture is of one process under load: width is its time, what calls is above what is called.
Frames of one library in a row are one bar, and bars of less than two hundredths are left out.
"""

from __future__ import annotations

import argparse
import html
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

HERE = Path(__file__).resolve()
sys.path += [str(HERE.parents[1]), str(HERE.parents[2] / "compose/embedded")]
import load  # noqa: E402 - what they read is in the folders above
import ours  # noqa: E402
from load import Target  # noqa: E402
from place import ROOT  # noqa: E402
from processes import families  # noqa: E402
from reads import product_paths  # noqa: E402

from real_servers import servers  # noqa: E402

IMAGES = ROOT / "docs/images"
LEAST = 0.02  # of the time
WIDTH, ROW = 900, 22
LIBRARY = re.compile(r"site-packages/([\w.]+?)(?:/|\.py)")
OURS = re.compile(r"src/\w+/((?:chassis/)?\w+)\.py")
FRAME = re.compile(r"(?P<name>.*) \((?P<file>.*?)(?::\d+)?\)$")


@dataclass
class Bar:
    """Some part of the program, and how many samples found it at work."""

    name: str
    samples: int = 0
    calls: dict[str, Bar] = field(default_factory=dict)


def fold(stacks: Iterable[str]) -> Bar:
    """The tree of what py-spy wrote: `frame;frame;frame count`, a line for each stack."""
    root = Bar("all")
    for line in stacks:
        frames, _, count = line.rpartition(" ")
        root.samples += int(count)
        bar = root
        for name in _parts(frames.split(";")):
            bar = bar.calls.setdefault(name, Bar(name))
            bar.samples += int(count)
    return root


def _parts(frames: list[str]) -> list[str]:
    """What each frame belongs to, the same in a row once; the threads that carry it all are not."""
    parts: list[str] = []
    for frame in frames:
        found = FRAME.match(frame)
        name = _part(found["file"]) if found else None
        if name and (not parts or parts[-1] != name):
            parts.append(name)
    return parts


def _part(file: str) -> str | None:
    if found := LIBRARY.search(file):
        return found[1]
    if found := OURS.search(file):
        return f"{found[1]}.py"
    name = Path(file).stem
    return None if name in ("thread", "threading", "_base") or "<" in file else f"python: {name}"


def draw(root: Bar, title: str) -> str:
    """The tree as SVG."""
    bars: list[str] = []
    deepest = _draw(root, 0.0, 0, root.samples, bars)
    height = (deepest + 2) * ROW + 6
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
            f' font-family="sans-serif" font-size="12" role="img">',
            f"<title>{html.escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            f'<text x="4" y="15">{html.escape(title)}</text>',
            *bars,
            "</svg>\n",
        ]
    )


def _draw(bar: Bar, left: float, depth: int, whole: int, bars: list[str]) -> int:
    """Adds what a bar calls, from `left` on; how deep it went."""
    deepest = depth
    for called in sorted(bar.calls.values(), key=lambda each: -each.samples):
        share = called.samples / whole
        if share < LEAST:
            continue
        x, y, width = left, (depth + 1) * ROW + 2, share * WIDTH
        fill = "#f4b183" if called.name.endswith(".py") else "#d9e2ec"  # ours are warm
        label = f"{called.name} {share:.0%}"
        bars.append(
            f'<g><title>{html.escape(label)}</title><rect x="{x:.0f}" y="{y}" '
            f'width="{max(width - 1, 1):.0f}" height="{ROW - 1}" fill="{fill}"/>'
        )
        if width > 7 * len(label):
            bars.append(f'<text x="{x + 4:.0f}" y="{y + 15}">{html.escape(label)}</text>')
        bars.append("</g>")
        deepest = max(deepest, _draw(called, left, depth + 1, whole, bars))
        left += width
    return deepest


def profile(process: int, target: Target, seconds: int) -> Bar:
    """What a process does while it is asked."""
    py_spy = Path(sys.executable).with_name("py-spy")
    with tempfile.NamedTemporaryFile("r") as file:
        loading = Thread(target=load.run, args=(target, seconds + 2))
        loading.start()
        command = [py_spy, "record", "--format", "raw", "--rate", "400", "--pid", str(process)]
        command += ["--duration", str(seconds), "--output", file.name]
        subprocess.run(command, check=True, capture_output=True)
        loading.join()
        return fold(file.read().splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-flame", description=__doc__)
    parser.add_argument("--seconds", type=int, default=8, help="of each profile")
    seconds = parser.parse_args().seconds
    with servers() as found:
        os.environ.update(found)
        with ours.running() as shop:
            orders = tuple(f"/orders/{order}" for order in shop.orders)
            products = tuple(product_paths(shop.shop.products))
            through = {"orders": shop.target(*orders), "products": shop.target(*products)}
            itself = Target(f"http://127.0.0.1:{shop.port('products')}", products)
            hops = {
                "gateway-order": ("gateway-web", through["orders"], "the gateway, an order"),
                "gateway-product": ("gateway-web", through["products"], "the gateway, a product"),
                "orders": ("orders-web", through["orders"], "orders, an order"),
                "products": ("products-web", itself, "products itself, a cached product"),
            }
            for name, (program, target, title) in hops.items():
                load.warm_up({name: target})
                master = shop.pid(program)
                worker = min(families([master]) - {master})
                path = IMAGES / f"flame-{name}.svg"
                path.write_text(draw(profile(worker, target, seconds), title))
                print(f"{title}: {path.relative_to(ROOT)}", flush=True)


if __name__ == "__main__":
    main()
