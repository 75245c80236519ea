"""Events in the contract: each a webhook, with its envelope, its data and its way to a queue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .fields import MAX_INTEGER

EXCHANGE = "shop"

_ID = {"type": "string", "minLength": 1, "maxLength": 64}

ENVELOPE = {
    "type": "object",
    "description": "A CloudEvents 1.0 envelope, in its structured JSON form.",
    "required": ["specversion", "id", "source", "type", "subject", "time", "sequence", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {**_ID, "description": "Of the fact: a repeat has the same id"},
        "source": {"type": "string", "maxLength": 64, "examples": ["/orders"]},
        "type": {"type": "string", "maxLength": 64, "examples": ["order.placed"]},
        "subject": {**_ID, "description": "Id of what it happened to"},
        "time": {"type": "string", "format": "date-time", "maxLength": 40},
        "datacontenttype": {"const": "application/json"},
        "sequence": {
            "type": "integer",
            "format": "int64",
            "minimum": 0,
            "maximum": MAX_INTEGER,
            "description": "The subject's version after the fact",
        },
        "traceparent": {"type": "string", "maxLength": 64},
        "data": {"type": "object"},
    },
}


def webhook(service: str, name: str, data: Mapping[str, Any], listeners: Iterable[str]) -> dict:
    """The webhook of the event `name`; its `data` has an example, and `listeners` a queue each."""
    event = {
        "allOf": [
            {"$ref": "#/components/schemas/Event"},
            {"type": "object", "properties": {"type": {"const": name}, "data": data}},
        ]
    }
    media = {"schema": event, "example": _example(service, name, data)}
    return {
        "post": {
            "operationId": "tell_" + name.replace(".", "_"),
            "summary": data["description"],
            "tags": ["events"],
            "security": [],
            "x-amqp": {
                "exchange": EXCHANGE,
                "exchangeType": "topic",
                "routingKey": name,
                "queues": [queue(listener) for listener in sorted(listeners)],
            },
            "requestBody": {
                "required": True,
                "content": {"application/cloudevents+json": media},
            },
            "responses": {"202": {"description": f"Taken; {service} hears no answer"}},
        }
    }


def queue(listener: str) -> str:
    """The one queue of a service that hears events."""
    return f"{listener}.events"


def hears(service: str, events: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a service reads of the events it hears."""
    return {
        "queue": queue(service),
        "exchange": EXCHANGE,
        "events": {name: {"data": data} for name, data in events.items()},
    }


def _example(service: str, name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    (example,) = data["examples"]
    return {
        "specversion": "1.0",
        "id": "4a4c2f0e-6c0b-4f0e-9f6e-0d5a3c1f7b21",
        "source": f"/{service}",
        "type": name,
        "subject": next(iter(example.values())),
        "time": "2026-11-22T10:00:00.000Z",
        "datacontenttype": "application/json",
        "sequence": 1,
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "data": example,
    }
