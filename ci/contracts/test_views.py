"""Every listener can read what it hears, as the one that tells it promises to write it."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from test_promises import CONTRACTS, SERVICES
from views import data_of, lacks

Contract = dict[str, Any]

HEARD = [(name, event) for name in SERVICES for event in CONTRACTS[name]["x-hears"]["events"]]


@pytest.mark.parametrize(("listener", "event"), HEARD)
def test_a_listener_reads_only_what_is_promised(listener: str, event: str) -> None:
    view = CONTRACTS[listener]["x-hears"]["events"][event]["data"]
    tellers = [name for name in SERVICES if event in CONTRACTS[name].get("webhooks", {})]
    assert len(tellers) == 1
    assert list(lacks(view, data_of(CONTRACTS[tellers[0]]["webhooks"][event]))) == []


VIEW = {
    "type": "object",
    "required": ["id", "items"],
    "properties": {
        "id": {"type": "string", "minLength": 1},
        "at": {"type": "string", "format": "date-time"},
        "why": {"enum": ["sold out", "late"]},
        "items": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["left"],
                "properties": {"left": {"type": ["integer", "null"], "maximum": 10}},
            },
        },
    },
}
MORE = {"type": "boolean"}


def told(*edits: Callable[[Contract], object]) -> Contract:
    """As it is read, but for what was edited."""
    schema = copy.deepcopy(VIEW)
    for edit in edits:
        edit(schema)
    return schema


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: data,
        lambda data: data["properties"].update(more=MORE),
        lambda data: data["required"].append("at"),
        lambda data: data["properties"]["id"].update(minLength=3, maxLength=64),
        lambda data: data["properties"]["why"].update(enum=["late"]),
        lambda data: data["properties"]["items"]["items"]["properties"]["left"].update(
            type="integer", maximum=5
        ),
        lambda data: data["properties"].pop("why"),  # it is not needed
    ],
)
def test_whoever_tells_may_promise_more(edit: Callable[[Contract], object]) -> None:
    assert list(lacks(VIEW, told(edit))) == []


@pytest.mark.parametrize(
    ("edit", "lack"),
    [
        (lambda data: data["required"].remove("id"), "data.id is needed, and not promised"),
        (
            lambda data: data["properties"]["items"]["items"].update(required=[]),
            "data.items[].left is needed, and not promised",
        ),
        (
            lambda data: data["properties"]["id"].update(type=["string", "null"]),
            "data.id is read as string, and told as null, string",
        ),
        (
            lambda data: data["properties"]["id"].update(type="integer"),
            "data.id is read as string, and told as integer",
        ),
        (
            lambda data: data["properties"]["items"]["items"]["properties"]["left"].update(
                type="number"
            ),
            "data.items[].left is read as integer, null, and told as integer, number",
        ),
        (
            lambda data: data["properties"]["id"].pop("type"),
            "data.id is read as string, and told as anything",
        ),
        (
            lambda data: data["properties"]["items"].pop("minItems"),
            "data.items is read with minItems 1, and told with None",
        ),
        (
            lambda data: data["properties"]["items"]["items"]["properties"]["left"].pop("maximum"),
            "data.items[].left is read with maximum 10, and told with None",
        ),
        (
            lambda data: data["properties"]["at"].pop("format"),
            "data.at is read as date-time, and told as None",
        ),
        (
            lambda data: data["properties"]["why"]["enum"].append("stolen"),
            "data.why is read as one of ['sold out', 'late'], "
            "and told as ['sold out', 'late', 'stolen']",
        ),
    ],
)
def test_whoever_tells_may_not_promise_less(edit: Callable[[Contract], object], lack: str) -> None:
    assert list(lacks(VIEW, told(edit))) == [lack]


def test_a_view_that_cannot_be_compared_is_no_view() -> None:
    view = {"type": "string", "pattern": "^[a-z]+$"}
    assert list(lacks(view, view)) == ["data is read with pattern, which nobody compares"]
