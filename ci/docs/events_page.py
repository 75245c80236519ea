"""docs/reference/events.md: who tells what to whom, from the contracts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from committed import contracts
from tables import code, page, table

INTRO = """\
Events are CloudEvents 1.0 in structured JSON, on the topic exchange `shop`, with their type as
routing key; each listener has one queue. Delivery is at least once and in any order: a repeat has
the same `id`, and `sequence` is the version that the fact gave its subject. What a service tells
is under `webhooks` of [its contract](../../contracts/), what it reads of others under `x-hears`;
`make test` holds the two together.
[How to add one](../how-to/add-an-event.md).
"""
BOUNDS = {"minLength": "≥", "minimum": "≥", "minItems": "≥", "maxLength": "≤", "maximum": "≤",
          "maxItems": "≤"}  # fmt: skip


def made() -> str:
    parts = [INTRO, table(["event", "what happened", "told by", "heard by"], _overview())]
    parts += ["## The envelope\n", table(["field", "type", "what"], _envelope())]
    for teller, name, data in _told():
        heads = ["field of `data`", "type", "read by"]
        parts += [f"## {name}\n", f"{data['description']}. Told by {teller}.\n"]
        parts += [table(heads, _fields(name, data))]
    return page("Events", "`events.py` of the service", *parts)


def _told() -> list[tuple[str, str, dict[str, Any]]]:
    """(who tells, type, schema of its data) of every event."""
    return [
        (teller, name, _data(webhook))
        for teller, contract in contracts().items()
        for name, webhook in contract.get("webhooks", {}).items()
    ]


def _data(webhook: dict[str, Any]) -> dict[str, Any]:
    (media,) = webhook["post"]["requestBody"]["content"].values()
    return media["schema"]["allOf"][1]["properties"]["data"]


def _heard(name: str) -> dict[str, dict[str, Any]]:
    """Each listener, and what it reads of the event's data."""
    found = {who: contract.get("x-hears", {}) for who, contract in contracts().items()}
    return {
        who: hears["events"][name]["data"]
        for who, hears in found.items()
        if name in hears.get("events", {})
    }


def _overview() -> Iterator[list[str]]:
    for teller, name, data in _told():
        anchor = name.replace(".", "")
        yield [f"[`{name}`](#{anchor})", data["description"], teller,
               ", ".join(_heard(name)) or "nobody yet"]  # fmt: skip


def _envelope() -> Iterator[list[str]]:
    envelope = contracts()["orders"]["components"]["schemas"]["Event"]
    for name, schema in envelope["properties"].items():
        left_out = "" if name in envelope["required"] else " *(may be left out)*"
        examples = [f"such as {code(example)}" for example in schema.get("examples", [])]
        about = ", ".join([*filter(None, [schema.get("description")]), *examples])
        yield [code(name), _kind(schema), about + left_out]


def _fields(event: str, data: dict[str, Any]) -> Iterator[list[str]]:
    heard = _heard(event)
    for name, schema in data["properties"].items():
        readers = [who for who, read in heard.items() if name in read.get("properties", {})]
        about = f": {schema['description']}" if "description" in schema else ""
        yield [code(name), _kind(schema) + about, ", ".join(readers)]


def _kind(schema: dict[str, Any]) -> str:
    """A JSON Schema in a few words."""
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return " or ".join(map(code, schema["enum"]))
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    bounds = [f"{sign} {schema[word]}" for word, sign in BOUNDS.items() if word in schema]
    text = " or ".join(schema.get("format", kind) if kind == "string" else kind for kind in kinds)
    if "items" in schema:
        text += f" of {_kind(schema['items'])}"
    if "properties" in schema:
        text += " {" + ", ".join(schema["properties"]) + "}"
    return f"{text}, {', '.join(bounds)}" if bounds else text
