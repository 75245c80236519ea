"""Shapes on the wire."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from .chassis.fields import Text


class In(ma.Schema):
    """What comes in: nothing undeclared."""

    class Meta:
        unknown = ma.RAISE


class NotificationSchema(ma.Schema):
    """Something that one person was told."""

    id = fields.String(required=True)
    user_id = fields.String(required=True)
    channel = fields.String(required=True, metadata={"description": "Where it was told: inbox"})
    kind = fields.String(required=True, metadata={"description": "The event it tells of, or alert"})
    title = fields.String(required=True)
    text = fields.String(required=True)
    data = fields.Dict(
        keys=fields.String(),
        required=True,
        metadata={"description": "What the text was made of, such as the order_id"},
    )
    created_at = fields.AwareDateTime(required=True)
    read_at = fields.AwareDateTime(required=True, allow_none=True)


class NotificationPageSchema(ma.Schema):
    """A page of notifications."""

    items = fields.List(fields.Nested(NotificationSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class NotificationQuerySchema(In):
    """Which notifications."""

    unread = fields.Boolean(
        load_default=False, metadata={"description": "Only those that were not read"}
    )
    user_id = Text(high=64, metadata={"description": "Admins only; others see their own"})
    limit = fields.Integer(load_default=20, validate=validate.Range(1, 100))
    cursor = Text(high=512)


class AlertSchema(In):
    """Something to tell one person."""

    user_id = Text(high=64, required=True)
    title = Text(high=200, required=True)
    text = Text(high=2000, required=True)
