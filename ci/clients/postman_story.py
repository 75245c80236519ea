"""The story of a customer as Postman tells it: what is sent, and what is right to hear."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Step:
    """One request. `{{name}}` is a variable; checks and `until` are JavaScript on `answer`."""

    title: str
    operation: str
    status: int
    body: dict[str, Any] | None = None
    values: dict[str, str] = field(default_factory=dict)  # of parameters
    before: tuple[str, ...] = ()
    checks: dict[str, str] = field(default_factory=dict)  # sentence → condition
    keeps: dict[str, str] = field(default_factory=dict)  # variable → where it is in the answer
    until: str = ""  # the request is sent again before this is true


STORY = (
    Step(
        "Register",
        "register",
        201,
        body={"email": "{{email}}", "name": "Ada", "password": "{{password}}"},
        before=(
            'const id = () => pm.variables.replaceIn("{{$randomUUID}}");',
            'pm.collectionVariables.set("email", `${id()}@shop.example`);',
            'pm.collectionVariables.set("password", id());',
        ),
        checks={"she is a customer": 'answer.roles.includes("customer")'},
        keeps={"user_id": "id"},
    ),
    Step(
        "Log in",
        "log_in",
        200,
        body={"email": "{{email}}", "password": "{{password}}"},
        keeps={"token": "access_token"},
    ),
    Step(
        "Who am I?",
        "show_me",
        200,
        checks={"the token is hers": 'answer.id === pm.collectionVariables.get("user_id")'},
    ),
    Step(
        "Browse",
        "list_products",
        200,
        values={"in_stock": "true", "sort": "price", "limit": "5"},
        checks={"there is something to buy": "answer.items.length > 0"},
        keeps={"product_id": "items[0].id"},
    ),
    Step(
        "Order",
        "place_order",
        201,
        body={"items": [{"product_id": "{{product_id}}", "quantity": 1}]},
        values={"Idempotency-Key": "{{key}}"},
        before=('pm.collectionVariables.set("key", pm.variables.replaceIn("{{$randomUUID}}"));',),
        keeps={"order_id": "id"},
    ),
    Step(
        "Order again with the same key",
        "place_order",
        201,
        body={"items": [{"product_id": "{{product_id}}", "quantity": 1}]},
        values={"Idempotency-Key": "{{key}}"},
        checks={
            "it is the same order": 'answer.id === pm.collectionVariables.get("order_id")',
        },
    ),
    Step(
        "Watch the order",
        "get_order",
        200,
        values={"order_id": "{{order_id}}"},
        until='answer.status !== "pending"',
        checks={"it is confirmed": 'answer.status === "confirmed"'},
    ),
    Step(
        "Read the notifications",
        "list_notifications",
        200,
        until="answer.items.length >= 2",
        checks={
            "she was told of both": 'answer.items.map((told) => told.kind).sort().join(" ") '
            '=== "order.confirmed order.placed"',
        },
        keeps={"notification_id": "items[0].id"},
    ),
    Step(
        "Mark one as read",
        "read_notification",
        200,
        values={"notification_id": "{{notification_id}}"},
        checks={"it is read": "answer.read_at !== null"},
    ),
    Step("Log out", "log_out", 204),
)
