"""Known changes of a small contract, and what they must be called: breaking, or harmless.

Needs oasdiff: `make contracts-check` installs it, and runs this first.
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import check
import pytest
from changes import OASDIFF, Change, Contract, changes
from check import may_break, passes_comparison

pytestmark = pytest.mark.skipif(not OASDIFF.exists(), reason="no oasdiff: make contracts-check")

EVENTS = "application/cloudevents+json"
MONEY = {
    "type": "object",
    "required": ["amount", "currency"],
    "properties": {
        "amount": {"type": "integer", "minimum": 0, "maximum": 1000},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
    },
}
ORDER = {
    "type": "object",
    "required": ["id", "status", "total"],
    "properties": {
        "id": {"type": "string"},
        "status": {"type": "string", "enum": ["pending", "confirmed"]},
        "note": {"type": "string"},
        "reason": {"type": ["string", "null"]},
        "total": {"$ref": "#/components/schemas/Money"},
    },
}
ORDER_IN = {
    "type": "object",
    "required": ["items"],
    "additionalProperties": False,
    "properties": {
        "items": {
            "type": "array",
            "minItems": 1,
            "maxItems": 50,
            "items": {
                "type": "object",
                "required": ["quantity"],
                "properties": {"quantity": {"type": "integer", "minimum": 1, "maximum": 1000}},
            },
        },
        "gift": {"type": "string", "maxLength": 100, "enum": ["none", "wrapped"]},
    },
}
EVENT = {
    "type": "object",
    "required": ["id", "type", "data"],
    "properties": {"id": {"type": "string"}, "type": {"type": "string"}, "data": {}},
}
PLACED = {
    "type": "object",
    "required": ["order_id", "total", "kind"],
    "properties": {
        "order_id": {"type": "string", "maxLength": 64},
        "total": MONEY,
        "kind": {"enum": ["web", "shop"]},
        "note": {"type": "string"},
    },
}
RESERVED = {
    "type": "object",
    "required": ["order_id"],
    "properties": {"order_id": {"type": "string"}, "left": {"type": "integer"}},
}


def _json(schema: Contract, kind: str = "application/json") -> Contract:
    return {"description": "…", "content": {kind: {"schema": schema}}}


def _told(name: str, data: Contract) -> Contract:
    own = {"type": "object", "properties": {"type": {"const": name}, "data": data}}
    body = _json({"allOf": [{"$ref": "#/components/schemas/Event"}, own]}, EVENTS)
    amqp = {"exchange": "shop", "routingKey": name, "queues": ["products.events"]}
    return {
        "post": {
            "operationId": f"tell_{name}",
            "requestBody": {"required": True, "content": body["content"]},
            "responses": {"202": {"description": "Taken"}},
            "x-amqp": amqp,
        }
    }


@pytest.fixture
def contract() -> Contract:
    order = {"$ref": "#/components/schemas/Order"}
    status = {"in": "query", "name": "status", "schema": {"enum": ["pending", "confirmed"]}}
    whose = {"in": "path", "name": "id", "required": True, "schema": {"type": "string"}}
    made = {
        "openapi": "3.1.0",
        "info": {"title": "orders", "version": "0.1.0"},
        "security": [{"bearer": []}],
        "paths": {
            "/orders": {
                "get": {
                    "operationId": "list_orders",
                    "summary": "List orders",
                    "parameters": [status],
                    "responses": {"200": _json({"type": "array", "items": order})},
                },
                "post": {
                    "operationId": "place_order",
                    "requestBody": {
                        "required": True,
                        "content": _json({"$ref": "#/components/schemas/OrderIn"})["content"],
                    },
                    "responses": {
                        "201": {**_json(order), "headers": {"ETag": {"schema": {}}}},
                        "422": _json({}, "application/problem+json"),
                    },
                },
            },
            "/orders/{id}": {
                "parameters": [whose],
                "get": {
                    "operationId": "get_order",
                    "security": [],
                    "responses": {"200": _json(order)},
                },
            },
        },
        "webhooks": {
            "order.placed": _told("order.placed", PLACED),
            "order.cancelled": _told("order.cancelled", RESERVED),
        },
        "x-hears": {
            "exchange": "shop",
            "queue": "orders.events",
            "events": {"stock.reserved": {"data": RESERVED}},
        },
        "components": {
            "schemas": {"Order": ORDER, "OrderIn": ORDER_IN, "Money": MONEY, "Event": EVENT},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }
    return json.loads(json.dumps(made))  # no two places share what is edited in one


def at(contract: Contract, path: str) -> Any:
    """What is at a path of words; `order`, `in` and the like are short for long ones."""
    shorts = {
        "order": "components schemas Order",
        "money": "components schemas Money",
        "in": "components schemas OrderIn",
        "envelope": "components schemas Event",
        "list": "paths /orders get",
        "place": "paths /orders post",
        "show": "paths /orders/{id} get",
        "placed": "webhooks order.placed post",
        "data": f"webhooks order.placed post requestBody content {EVENTS} schema allOf 1 "
        "properties data",
        "heard": "x-hears events stock.reserved data",
    }
    found: Any = contract
    first, _, rest = path.partition(" ")
    for word in f"{shorts.get(first, first)} {rest}".split():
        found = found[int(word) if isinstance(found, list) else word]
    return found


Edit = Callable[[Contract], Any]


def put(path: str, **values: Any) -> Edit:
    """An edit: these values, there. Names may have a `_` for what Python has a word for."""
    named = {name.rstrip("_").replace("__", "/"): value for name, value in values.items()}
    return lambda contract: at(contract, path).update(copy.deepcopy(named))


def drop(path: str, key: str) -> Edit:
    return lambda contract: at(contract, path).pop(key)


def need(path: str, *names: str) -> Edit:
    return lambda contract: at(contract, path).update(required=list(names))


def also(path: str, value: Any) -> Edit:
    return lambda contract: at(contract, path).append(value)


def both(*edits: Edit) -> Edit:
    return lambda contract: [edit(contract) for edit in edits]


def move(path: str, old: str, new: str) -> Edit:
    def edit(contract: Contract) -> None:
        place = at(contract, path)
        place[new] = place.pop(old)

    return edit


NEW_ROUTE = {"get": {"operationId": "ping", "responses": {"200": {"description": "…"}}}}

# What was done: the edit, and what the report must name: where, and the field or other thing.
BREAKING: dict[str, tuple[Edit, str, str]] = {
    # requests
    "a path is gone": (drop("paths", "/orders/{id}"), "GET /orders/{id}", "removed"),
    "a method is gone": (drop("paths /orders", "post"), "POST /orders", "removed"),
    "a required field is new": (
        both(put("in properties", note={"type": "string"}), need("in", "items", "note")),
        "POST /orders",
        "note",
    ),
    "an optional field is required now": (need("in", "items", "gift"), "POST /orders", "gift"),
    "a field is no longer taken": (drop("in properties", "gift"), "POST /orders", "gift"),
    "a field has another type": (
        put("in properties items items properties quantity", type="string"),
        "POST /orders",
        "quantity",
    ),
    "a number may be less than before": (
        put("in properties items items properties quantity", maximum=10),
        "POST /orders",
        "quantity",
    ),
    "a list may be shorter than before": (
        put("in properties items", maxItems=10),
        "POST /orders",
        "items",
    ),
    "a list must be longer than before": (
        put("in properties items", minItems=2),
        "POST /orders",
        "items",
    ),
    "a text may be shorter than before": (
        put("in properties gift", maxLength=4),
        "POST /orders",
        "gift",
    ),
    "a value is no longer taken": (
        put("in properties gift", enum=["none"]),
        "POST /orders",
        "wrapped",
    ),
    "a query parameter is gone": (drop("list", "parameters"), "GET /orders", "status"),
    "a query parameter takes less": (
        put("list parameters 0", schema={"enum": ["pending"]}),
        "GET /orders",
        "status",
    ),
    "a query parameter is required now": (
        put("list parameters 0", required=True),
        "GET /orders",
        "status",
    ),
    "a header is needed": (
        put(
            "place",
            parameters=[
                {"in": "header", "name": "X-Key", "required": True, "schema": {"type": "string"}}
            ],
        ),
        "POST /orders",
        "X-Key",
    ),
    "an id may be shorter than before": (
        put("paths /orders/{id} parameters 0", schema={"type": "string", "maxLength": 8}),
        "GET /orders/{id}",
        "id",
    ),
    "a token is needed": (put("show", security=[{"bearer": []}]), "GET /orders/{id}", "bearer"),
    "another kind of token is needed": (
        both(
            put("list", security=[{"key": []}]),
            put(
                "components securitySchemes",
                key={"type": "apiKey", "in": "header", "name": "X-Key"},
            ),
        ),
        "GET /orders",
        "key",
    ),
    "an operation has another name": (
        put("place", operationId="order"),
        "POST /orders",
        "place_order",
    ),
    # answers
    "a field is gone": (
        both(drop("order properties", "status"), need("order", "id", "total")),
        "GET /orders/{id}",
        "status",
    ),
    "an optional field is gone": (drop("order properties", "note"), "GET /orders", "note"),
    "a field deep inside is gone": (
        both(drop("money properties", "currency"), need("money", "amount")),
        "POST /orders",
        "total/currency",
    ),
    "a field may be missing": (need("order", "id", "total"), "GET /orders/{id}", "status"),
    "a field has another type in answers": (
        put("order properties id", type="integer"),
        "GET /orders/{id}",
        "id",
    ),
    "a field may be null": (
        put("order properties id", type=["string", "null"]),
        "GET /orders/{id}",
        "id",
    ),
    "a value is new": (
        also("order properties status enum", "rejected"),
        "GET /orders/{id}",
        "rejected",
    ),
    "a number may be more than before": (
        put("money properties amount", maximum=9999),
        "POST /orders",
        "amount",
    ),
    "a text has another pattern": (
        put("money properties currency", pattern="^[a-z]{3}$"),
        "POST /orders",
        "currency",
    ),
    "success has another status": (
        move("place responses", "201", "200"),
        "POST /orders",
        "201",
    ),
    "a header is gone": (drop("place responses 201", "headers"), "POST /orders", "ETag"),
    "an answer has another media type": (
        move("show responses 200 content", "application/json", "application/hal+json"),
        "GET /orders/{id}",
        "application/json",
    ),
    # events that are told
    "an event is gone": (drop("webhooks", "order.cancelled"), "tells order.cancelled", "removed"),
    "a field of an event is gone": (
        both(drop("data properties", "total"), need("data", "order_id", "kind")),
        "tells order.placed",
        "data/total",
    ),
    "a field of an event may be missing": (
        need("data", "order_id", "kind"),
        "tells order.placed",
        "data/total",
    ),
    "a field of an event has another type": (
        put("data properties order_id", type="integer"),
        "tells order.placed",
        "data/order_id",
    ),
    "an optional field of an event is gone": (
        drop("data properties", "note"),
        "tells order.placed",
        "data/note",
    ),
    "an event has a new value": (
        also("data properties kind enum", "phone"),
        "tells order.placed",
        "phone",
    ),
    "a text of an event may be longer": (
        put("data properties order_id", maxLength=128),
        "tells order.placed",
        "data/order_id",
    ),
    "the envelope lacks its id": (
        both(drop("envelope properties", "id"), need("envelope", "type", "data")),
        "tells order.placed",
        "id",
    ),
    "an event goes to another exchange": (
        put("placed x-amqp", exchange="other"),
        "tells order.placed",
        "removed",
    ),
    "an event has another routing key": (
        put("placed x-amqp", routingKey="order.made"),
        "tells order.placed",
        "removed",
    ),
    # events that are heard
    "a listener needs what tellers need not send": (
        need("heard", "order_id", "left"),
        "hears stock.reserved",
        "left",
    ),
    "a listener takes less": (
        put("heard properties order_id", maxLength=8),
        "hears stock.reserved",
        "order_id",
    ),
}

HARMLESS: dict[str, Edit] = {
    # requests
    "nothing": both(),
    "an operation is new": put("paths", **{"/ping": NEW_ROUTE}),
    "an optional field is new": put("in properties", note={"type": "string"}),
    "a required field is optional now": need("in"),
    "an optional query parameter is new": also(
        "list parameters", {"in": "query", "name": "q", "schema": {"type": "string"}}
    ),
    "a number may be more": put("in properties items items properties quantity", maximum=9999),
    "a list may be longer": put("in properties items", maxItems=99),
    "a text may be longer": put("in properties gift", maxLength=999),
    "a value is taken too": also("in properties gift enum", "boxed"),
    "a body need not be sent": put("place requestBody", required=False),
    "no token is needed": put("list", security=[]),
    "what was inherited is written out": put("list", security=[{"bearer": []}]),
    # answers
    "a field is new": put("order properties", paid={"type": "boolean"}),
    "a required field is new": both(
        put("order properties", paid={"type": "boolean"}),
        need("order", "id", "status", "total", "paid"),
    ),
    "an optional field is always there": need("order", "id", "status", "total", "note"),
    "a value is gone": put("order properties status", enum=["pending"]),
    "a field is no longer null": put("order properties reason", type="string"),
    "a number has a bound": put("money properties amount", maximum=10),
    "a number has a format": put("money properties amount", format="int32"),
    "an error is new": put("place responses", **{"409": _json({}, "application/problem+json")}),
    "a header is new": put("show responses 200", headers={"ETag": {"schema": {}}}),
    # events that are told
    "an event is new": put("webhooks", **{"order.paid": _told("order.paid", RESERVED)}),
    "a field of an event is new": put("data properties", coupon={"type": "string"}),
    "a required field of an event is new": both(
        put("data properties", coupon={"type": "string"}),
        need("data", "order_id", "total", "kind", "coupon"),
    ),
    "an optional field of an event is always there": need(
        "data", "order_id", "total", "kind", "note"
    ),
    "an event lacks a value": put("data properties kind", enum=["web"]),
    "a text of an event may be shorter": put("data properties order_id", maxLength=36),
    "the envelope has a new field": put("envelope properties", subject={"type": "string"}),
    "an event has one more listener": also("placed x-amqp queues", "mail.events"),
    # events that are heard
    "a listener needs less": need("heard"),
    "a listener hears more": put("x-hears events", **{"stock.low": {"data": RESERVED}}),
    "a listener hears less": drop("x-hears events", "stock.reserved"),
    # words
    "a summary": put("list", summary="List all orders"),
    "a description": put("order", description="An order"),
    "a description of an event": put("data", description="Placed"),
    "an example": put("order", examples=[{"id": "1", "status": "pending"}]),
    "the version": put("info", version="0.1.1"),
}


def found(contract: Contract, edit: Edit) -> list[Change]:
    new = copy.deepcopy(contract)
    edit(new)
    return changes(contract, new)


@pytest.mark.parametrize("what", BREAKING)
def test_breaks_and_says_where_and_what(what: str, contract: Contract) -> None:
    edit, where, named = BREAKING[what]
    broken = [change for change in found(contract, edit) if change.breaks]
    assert any(change.where == where and named in change.what for change in broken), broken


@pytest.mark.parametrize("what", HARMLESS)
def test_breaks_nobody(what: str, contract: Contract) -> None:
    assert [change for change in found(contract, HARMLESS[what]) if change.breaks] == []


@pytest.mark.parametrize(
    ("old", "new", "may"),
    [
        ("1.2.3", "2.0.0", True),
        ("1.2.3", "1.3.0", False),
        ("1.2.3", "1.2.3", False),
        ("2.0.0", "1.9.9", False),
        ("0.1.0", "0.2.0", True),
        ("0.1.0", "0.1.9", False),
        ("0.9.0", "0.10.0", True),
        ("0.2.0", "0.1.0", False),
        ("0.9.0", "1.0.0", True),
    ],
)
def test_what_breaks_raises_the_major_version_or_before_1_the_minor(
    old: str, new: str, may: bool
) -> None:
    assert may_break(old, new) is may


@pytest.fixture
def released(contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of contracts in which `orders` was released as 0.1.0."""
    (tmp_path / "released").mkdir()
    (tmp_path / "released/orders.openapi.json").write_text(json.dumps(contract))
    monkeypatch.setattr(check, "CONTRACTS", tmp_path)
    return tmp_path


def verdict(folder: Path, contract: Contract, version: str) -> bool:
    contract["info"]["version"] = version
    (folder / "orders.openapi.json").write_text(json.dumps(contract))
    return passes_comparison("orders.openapi.json")


def test_what_breaks_needs_a_version_that_says_so_and_is_reported_either_way(
    released: Path, contract: Contract, capsys: pytest.CaptureFixture[str]
) -> None:
    edit, where, field = BREAKING["a field of an event is gone"]
    edit(contract)
    assert not verdict(released, contract, "0.1.1")
    assert f"{where}: removed the required property `{field}`" in capsys.readouterr().out
    assert verdict(released, contract, "0.2.0")
    assert f"{where}: removed the required property `{field}`" in capsys.readouterr().out


def test_what_breaks_nobody_needs_no_other_version(released: Path, contract: Contract) -> None:
    HARMLESS["a field of an event is new"](contract)
    assert verdict(released, contract, "0.1.0")


def test_a_released_contract_cannot_just_go(released: Path) -> None:
    assert not passes_comparison("orders.openapi.json")


def test_a_contract_that_was_never_released_promises_nothing_yet(
    released: Path, contract: Contract
) -> None:
    (released / "released/orders.openapi.json").unlink()
    assert verdict(released, contract, "0.1.0")
