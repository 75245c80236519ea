"""docs/reference/logs.md: what a line holds, from its schema, and what is said, from the code."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tables import code, page, table

from e2e.repository import ROOT, SERVICES, folder

SCHEMA = "docs/reference/logs.schema.json"
# What a line has without being told: of every line, of the request, of a library's exception.
OF_ITSELF = {"time", "level", "service", "event", "request_id", "trace_id", "user_id", "exception"}
OF_ITSELF |= {"span_id", "parent_id"}
INTRO = """\
Every process writes one JSON object a line to its standard output, its libraries' lines included.
[`logs.schema.json`](logs.schema.json) is the schema. The end-to-end tests end by reading all that
was logged while they ran: each line keeps the schema, and in none is a token, a password, an
e-mail address, a key, or a text that was meant for one person.

Follow a request by its `request_id`, and all that came of it, events too, by its `trace_id`:
`make logs ARGS=--once | grep <id>`. [One order's way](../how-to/follow-an-order.md) is a tree.
"""

Said = dict[str, tuple[set[str], set[str], set[str]]]  # event: levels, fields, services


def made() -> str:
    fields = json.loads((ROOT / SCHEMA).read_text())["properties"]
    said = all_said()
    used = set().union(*(names for _, names, _ in said.values())) | OF_ITSELF
    if used != fields.keys():
        raise SystemExit(f"{SCHEMA} and the code differ in {', '.join(used ^ fields.keys())}")
    rows = [[code(name), _type(field), field["description"]] for name, field in fields.items()]
    events = [
        [code(event), ", ".join(sorted(levels)), " ".join(map(code, sorted(names))), _who(by)]
        for event, (levels, names, by) in sorted(said.items())
    ]
    return page(
        "Logs", f"`{Path(SCHEMA).name}`, or the code that logs", INTRO,
        "## The fields\n", table(["field", "type", "what it says"], rows),
        "## What is said\n", table(["event", "level", "fields beside the common", "by"], events),
    )  # fmt: skip


def all_said() -> Said:
    """Each event that the services log by name, and with what."""
    said: Said = {}
    for service in SERVICES:
        for source in (folder(service) / "src").rglob("*.py"):
            for event, level, names in _said(ast.parse(source.read_text())):
                entry = said.setdefault(event, (set(), set(), set()))
                for known, new in zip(entry, ({level}, names, {service}), strict=True):
                    known |= new
    return said


def _said(tree: ast.AST) -> Iterator[tuple[str, str, set[str]]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        what, level = node.func, "info"
        if isinstance(what, ast.Attribute):
            level, what = what.attr, what.value
        if isinstance(what, ast.Name) and what.id in ("log", "say"):
            for text in ast.walk(node.args[0]):  # of either name, where it is one of two
                if isinstance(text, ast.Constant):
                    yield text.value, level, {str(word.arg) for word in node.keywords}


def _type(field: dict[str, Any]) -> str:
    kind = field.get("type", "string")
    return kind if isinstance(kind, str) else " or ".join(kind)


def _who(services: set[str]) -> str:
    return "every service" if services == set(SERVICES) else ", ".join(sorted(services))
