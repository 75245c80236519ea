"""HTTP in and out: each view calls one use case, one table turns errors into statuses."""

from __future__ import annotations

from typing import Any

from flask import Response
from pymongo.errors import ConnectionFailure

from . import errors, use_cases
from .chassis.auth import caller, requires
from .chassis.contract import Blueprint
from .chassis.cursors import InvalidCursor
from .chassis.problems import problem
from .models import Notification
from .schemas import (
    AlertSchema,
    NotificationPageSchema,
    NotificationQuerySchema,
    NotificationSchema,
)

STATUSES: dict[type[Exception], int] = {
    errors.NotificationNotFound: 404,
    InvalidCursor: 422,
    ConnectionFailure: 503,
}

notifications = Blueprint(
    "notifications", __name__, url_prefix="/notifications", description="What people are told"
)


@notifications.route("", methods=["GET"], errors=[403])
@notifications.arguments(NotificationQuerySchema, location="query")
@notifications.response(200, NotificationPageSchema)
def list_notifications(query: dict[str, Any]) -> use_cases.Page | Response:
    """List notifications, newest first

    Everybody sees their own; admins may ask for those of `user_id`.
    """
    who = caller()
    user_id = query.get("user_id", who.id)
    if user_id != who.id and not who.is_admin:
        return problem(403, "Only admins see notifications of others.")
    return use_cases.list_notifications(
        user_id, query["unread"], query["limit"], query.get("cursor")
    )


@notifications.route("", methods=["POST"])
@requires("admin")
@notifications.arguments(AlertSchema)
@notifications.response(201, NotificationSchema)
def send_alert(body: dict[str, Any]) -> Notification:
    """Send an alert to one person"""
    return use_cases.send_alert(body["user_id"], body["title"], body["text"])


@notifications.route("/<notification_id>/read", methods=["POST"], errors=[404])
@notifications.response(200, NotificationSchema)
def read_notification(notification_id: str) -> Notification:
    """Mark a notification of mine as read"""
    return use_cases.read_notification(notification_id, caller().id)
