"""What a notification is, and the rules that always hold: told once, read once."""

from __future__ import annotations

import uuid

import mongoengine as me

from .chassis.database import Document
from .chassis.outbox import now

INBOX = "inbox"  # the only channel so far: what GET /notifications shows


class Notification(Document):
    """Something that one person was told on one channel."""

    id = me.StringField(primary_key=True, default=lambda: str(uuid.uuid4()))
    user_id = me.StringField(required=True)
    channel = me.StringField(required=True, default=INBOX)
    kind = me.StringField(required=True)  # the type of the event, or "alert"
    title = me.StringField(required=True)
    text = me.StringField(required=True)
    data = me.DictField()
    event_id = me.StringField(required=True)
    created_at = me.DateTimeField(default=now)
    read_at = me.DateTimeField()
    version = me.IntField(default=1)

    meta = {
        "collection": "notifications",
        "indexes": [
            # nobody is told the same event twice, however often and by however many it is heard
            {"fields": ["event_id", "channel", "user_id"], "unique": True},
            ("user_id", "-created_at", "-id"),
        ],
    }

    def keep(self) -> bool:
        """Save this; False if the person was told of the event before, and nothing changed."""
        try:
            self.insert()
        except me.NotUniqueError:
            return False
        return True

    @classmethod
    def mark_read(cls, notification_id: str, user_id: str) -> Notification | None:
        """The user's notification, read now or before; None if there is none."""
        mine = cls.objects(id=notification_id, user_id=user_id)
        mine.filter(read_at=None).update_one(set__read_at=now(), inc__version=1)
        return mine.first()
