"""What the files of the repository say: settings, ports, processes, images, commands."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from stack import read_conf

ROOT = Path(__file__).resolve().parent.parent.parent
SERVICES = ("users", "products", "orders", "notifications", "gateway")
OF_GUNICORN = {"BIND", "WEB_CONCURRENCY", "THREADS"}  # read by gunicorn.conf.py and no other
OF_THE_IMAGE = {"METRICS_BIND"}  # in a container this too is where the image says


def folder(service: str) -> Path:
    return ROOT / ("api-gateway" if service == "gateway" else service)


def settings(service: str) -> dict[str, bool]:
    """Every variable that the code reads, and whether it must be set."""
    tree = ast.parse((folder(service) / f"src/{service}/settings.py").read_text())
    fields = [node for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)]
    return {
        field.target.id.upper(): all(word.arg != "default" for word in field.value.keywords)
        for field in fields
    }


def strings(service: str) -> list[str]:
    """Every text in the code of a service that is no documentation and describes no setting."""
    found = []
    for path in (folder(service) / "src").rglob("*.py"):
        tree = ast.parse(path.read_text())
        told = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr):  # a docstring
                told.add(node.value)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
                "setting",
                "SettingsError",
            ):
                told.update(ast.walk(node))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found += [] if node in told else [node.value]
    return found


@cache
def containers() -> dict[str, str]:
    """Each service of compose.yaml and its text; a worker's anchors are written out."""
    text = (ROOT / "compose/compose.yaml").read_text()
    body = re.search(r"^services:\n(.*?)^\w", text, re.MULTILINE | re.DOTALL)[1]
    parts = re.split(r"^  ([\w-]+):\n", body, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def told_in_compose(container: str) -> dict[str, str]:
    """The environment of a container."""
    text = containers()[container]
    if alias := re.search(r"environment: \*(\S+)", text):
        text = next(other for other in containers().values() if f"&{alias[1]}" in other)
    block = re.search(r"^    environment:.*\n((?:      .*\n)+)", text, re.MULTILINE)[1]
    return dict(re.findall(r"^      (\w+): *(.*)$", block, re.MULTILINE))


def told_by_the_runner(program: str) -> dict[str, str]:
    """The environment of a process of supervisord.conf."""
    line = read_conf().get(f"program:{program}", "environment")
    return dict(re.findall(r'(\w+)="([^"]*)"', line))


def targets() -> set[str]:
    """The commands of the Makefile, and of the one that a service has in its own repository."""
    texts = [(ROOT / name).read_text() for name in ("Makefile", "ci/alone/Makefile")]
    return set(re.findall(r"^([a-z][\w-]*):", "\n".join(texts), re.MULTILINE))
