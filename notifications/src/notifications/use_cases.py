"""What notifications does, verb by verb."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter

from .chassis import cursors
from .chassis.logs import log
from .chassis.metrics import REGISTRY
from .errors import NotificationNotFound
from .events import OF_ORDERS
from .messages import message
from .models import Notification

SENT = Counter(
    "shop_notifications_sent_total", "What people were told", ["kind"], registry=REGISTRY
)


@dataclass(frozen=True)
class Page:
    """Some rows of a list, and where the next begin (None: there are none)."""

    items: list[Notification]
    next_cursor: str | None


def tell_customer(event: dict[str, Any]) -> None:
    """Tell the customer of an order what happened to it; a repeat changes nothing."""
    kind, data = event["type"], event["data"]
    title, text = message(kind, data)
    read = OF_ORDERS[kind]["properties"].keys() - {"customer_id"}
    _send(
        Notification(
            user_id=data["customer_id"],
            kind=kind,
            title=title,
            text=text,
            data={key: value for key, value in data.items() if key in read},
            event_id=event["id"],
        )
    )


def send_alert(user_id: str, title: str, text: str) -> Notification:
    """Tell one person something by hand."""
    alert = Notification(
        user_id=user_id, kind="alert", title=title, text=text, event_id=str(uuid.uuid4())
    )
    _send(alert)
    return alert


def list_notifications(user_id: str, unread: bool, limit: int, cursor: str | None) -> Page:
    """A person's notifications, newest first. Raises InvalidCursor."""
    filters = {"user_id": user_id, "unread": unread}
    found = Notification.objects(user_id=user_id)
    if unread:
        found = found.filter(read_at=None)
    return Page(*cursors.newest(found, filters, limit, cursor))


def read_notification(notification_id: str, user_id: str) -> Notification:
    """A person's notification, marked as read; a repeat changes nothing.

    Raises NotificationNotFound.
    """
    if found := Notification.mark_read(notification_id, user_id):
        return found
    raise NotificationNotFound


def _send(notification: Notification) -> None:
    if notification.keep():
        SENT.labels(notification.kind).inc()
        log.info(
            "notification.sent",
            kind=notification.kind,
            notification_id=notification.id,
            user_id=notification.user_id,
            event_id=notification.event_id,
        )
