"""What users tells of sessions that end, as a worker hears and keeps it in its own database.

Users tells of each session that ended and of each change of roles, and four times a minute up to
when it has told all of them. Only the latest of each is kept, for as long as a token may live, and
what is older than that is not heard: so repeats and late events change nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import mongoengine as me

from .database import Document
from .outbox import now
from .parking import ParkedEvent

FORGET_SECONDS = 600.0
REMEMBERED = timedelta(hours=1)  # no access token lives so long

_ID = {"type": "string", "minLength": 1}
_ENDS = ("session.ended", "user.roles_changed")

# What a service reads of these events; they may hold more.
HEARS: dict[str, dict[str, Any]] = {
    "session.ended": {
        "type": "object",
        "required": ["user_id", "sid", "ver"],
        "properties": {
            "user_id": _ID,
            "sid": {"type": ["string", "null"]},
            "ver": {"type": "integer"},
            "kept_sid": {"type": ["string", "null"]},
        },
    },
    "user.roles_changed": {
        "type": "object",
        "required": ["user_id", "roles"],
        "properties": {"user_id": _ID, "roles": {"type": "array", "items": {"type": "string"}}},
    },
    "sessions.told": {
        "type": "object",
        "required": ["until"],
        "properties": {"until": {"type": "string", "format": "date-time"}},
    },
}


class SessionNews(Document):
    """The latest that was told: of one session, of one user's `ver` or roles, or of the telling."""

    id = me.StringField(primary_key=True)  # sid/…, ver/…, roles/… or until
    number = me.LongField(required=True)  # only a higher one replaces it
    kept_sid = me.StringField()
    roles = me.ListField(me.StringField())
    until = me.DateTimeField()
    changed_at = me.DateTimeField(required=True)  # by the clock of the database

    meta = {"collection": "session_news", "indexes": ["changed_at"]}

    @classmethod
    def keep(cls, pk: str, number: int, **news: Any) -> None:
        """Keep the news, unless the same or newer ones are kept: one conditional upsert."""
        change = {"$set": {"number": number, **news}, "$currentDate": {"changed_at": True}}
        for _ in range(2):
            try:
                older = cls.objects(__raw__={"_id": pk, "number": {"$lt": number}})
                older.update_one(__raw__=change, upsert=True)
                return
            except me.NotUniqueError:  # kept already: as new, or at this moment by another worker
                continue


def _is_old(event: dict[str, Any]) -> bool:
    """Whether no token lives that it could mean. What is newer may be forgotten by now, and would
    not hold it back: such an event came late, or was redriven."""
    return datetime.fromisoformat(event["time"]) < now() - REMEMBERED


def on_session_ended(event: dict[str, Any]) -> None:
    if _is_old(event):
        return
    data = event["data"]
    if data["sid"] is not None:
        SessionNews.keep(f"sid/{data['sid']}", 1)
    else:
        SessionNews.keep(f"ver/{data['user_id']}", data["ver"], kept_sid=data.get("kept_sid"))


def on_roles_changed(event: dict[str, Any]) -> None:
    if _is_old(event):
        return
    data = event["data"]
    SessionNews.keep(f"roles/{data['user_id']}", event["sequence"], roles=data["roles"])


def on_sessions_told(event: dict[str, Any]) -> None:
    if ParkedEvent.objects(type__in=_ENDS, dead=False).first():
        return  # it was told, but is not yet known here
    # no later than now: a clock that is ahead must not keep the news fresh for longer
    until = min(datetime.fromisoformat(event["data"]["until"]), now())
    SessionNews.keep("until", round(until.timestamp() * 1000), until=until)


HANDLERS: dict[str, Callable[[dict[str, Any]], None]] = {
    "session.ended": on_session_ended,
    "user.roles_changed": on_roles_changed,
    "sessions.told": on_sessions_told,
}


def forget_old() -> int:
    """Delete the news whose last token has long expired; how many there were."""
    return SessionNews.objects(changed_at__lt=now() - REMEMBERED).delete()
