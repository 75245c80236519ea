"""Shapes on the wire."""

from __future__ import annotations

from marshmallow import fields, validate

from .chassis.fields import Cursor, Id, In, Number, Out, Text


class NotificationSchema(Out):
    """Something that one person was told."""

    example = {
        "id": "f3c1d2b0-5a77-4d0e-9a53-2b1c0d9e8f70",
        "user_id": "7d4e9a52-91b8-4a57-8a9e-2f6c5d3b1a10",
        "channel": "inbox",
        "kind": "order.placed",
        "title": "Order placed",
        "text": "We received order 0b8f7d0c for 39.98 EUR.",
        "data": {"order_id": "0b8f7d0c-2f0a-4f35-9f0e-1d1a1c1b1e01"},
        "created_at": "2026-11-22T10:00:01+00:00",
        "read_at": None,
    }

    id = Text(high=64, required=True)
    user_id = Text(high=64, required=True)
    channel = Text(high=64, required=True, metadata={"description": "Where it was told: inbox"})
    kind = Text(high=64, required=True, metadata={"description": "The event it tells of, or alert"})
    title = Text(high=200, required=True)
    text = Text(high=100_000, required=True)
    data = fields.Dict(
        keys=fields.String(),
        required=True,
        metadata={"description": "What the text was made of, such as the order_id"},
    )
    created_at = fields.AwareDateTime(required=True)
    read_at = fields.AwareDateTime(required=True, allow_none=True)


class NotificationPageSchema(Out):
    """A page of notifications."""

    example = {"items": [NotificationSchema.example], "next_cursor": None}

    items = fields.List(
        fields.Nested(NotificationSchema), required=True, validate=validate.Length(max=100)
    )
    next_cursor = Text(high=512, required=True, allow_none=True)


class NotificationQuerySchema(In):
    """Which notifications."""

    unread = fields.Boolean(
        load_default=False, metadata={"description": "Only those that were not read"}
    )
    user_id = Id(metadata={"description": "Admins only; others see their own"})
    limit = Number(load_default=20, validate=validate.Range(1, 100))
    cursor = Cursor()


class AlertSchema(In):
    """Something to tell one person."""

    example = {
        "user_id": "7d4e9a52-91b8-4a57-8a9e-2f6c5d3b1a10",
        "title": "We are closed on Friday",
        "text": "Orders placed on Friday are packed on Monday.",
    }

    user_id = Id(required=True)
    title = Text(high=200, required=True)
    text = Text(high=2000, required=True)
