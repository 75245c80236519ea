"""What a listener reads of an event, held against what the one that tells it promises.

No example can show this: a field that may be left out, or be null, is in most examples.
"""

from collections.abc import Iterator
from typing import Any

TYPES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
    list: "array",
    dict: "object",
}
AT_LEAST = ("minimum", "minLength", "minItems")
AT_MOST = ("maximum", "maxLength", "maxItems")
COMPARED = {"type", "required", "properties", "items", "enum", "format", *AT_LEAST, *AT_MOST}
SAYS_NOTHING = {"description", "examples"}
Contract = dict[str, Any]


def data_of(webhook: Contract) -> Contract:
    """The schema of an event's data, in which all parts of the event come together."""
    [media] = webhook["post"]["requestBody"]["content"].values()
    parts = media["schema"].get("allOf", [media["schema"]])
    return next(part["properties"]["data"] for part in parts if "properties" in part)


def lacks(view: Contract, told: Contract, at: str = "data") -> Iterator[str]:
    """What is read of an event, and not promised, as sentences."""
    read, written = types(view), types(told)
    if read and not (written and written <= read):
        yield f"{at} is read as {_words(read)}, and told as {_words(written) or 'anything'}"
    for name in view.get("required", []):
        if name not in told.get("required", []):
            yield f"{at}.{name} is needed, and not promised"
    for name, below in view.get("properties", {}).items():
        if name in told.get("properties", {}):
            yield from lacks(below, told["properties"][name], f"{at}.{name}")
    if "items" in view:
        yield from lacks(view["items"], told.get("items", {}), f"{at}[]")
    yield from _loose(view, told, at)


def types(schema: Contract) -> set[str]:
    """Which JSON types a value may have; an enum says it by its values."""
    if "enum" in schema:
        return {TYPES[type(value)] for value in schema["enum"]}
    found = schema.get("type", [])
    names = {found} if isinstance(found, str) else set(found)
    return names | {"integer"} if "number" in names else names


def _loose(view: Contract, told: Contract, at: str) -> Iterator[str]:
    """What is read within bounds that are not kept."""
    for bound in AT_LEAST:
        if bound in view and told.get(bound, float("-inf")) < view[bound]:
            yield f"{at} is read with {bound} {view[bound]}, and told with {told.get(bound)}"
    for bound in AT_MOST:
        if bound in view and told.get(bound, float("inf")) > view[bound]:
            yield f"{at} is read with {bound} {view[bound]}, and told with {told.get(bound)}"
    if "format" in view and told.get("format") != view["format"]:
        yield f"{at} is read as {view['format']}, and told as {told.get('format')}"
    if "enum" in view and not ("enum" in told and set(told["enum"]) <= set(view["enum"])):
        yield f"{at} is read as one of {view['enum']}, and told as {told.get('enum', 'anything')}"
    for keyword in view.keys() - COMPARED - SAYS_NOTHING:
        yield f"{at} is read with {keyword}, which nobody compares"


def _words(names: set[str]) -> str:
    return ", ".join(sorted(names))
