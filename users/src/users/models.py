"""People, their sessions and the keys that sign their tokens: what is stored, and how it changes.

Every change is one conditional update that also keeps its event, so a fact is never saved untold
and of two changes at once only one happens.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import mongoengine as me

from . import events
from .chassis.database import Document
from .chassis.outbox import OutboxDocument, entry, new_event, now, rfc3339

ROLES = ("customer", "admin")
ACCESS_LIFETIME = timedelta(minutes=15)
REFRESH_LIFETIME = timedelta(days=30)
IN_FLIGHT = timedelta(seconds=3)  # no write takes longer from its event to where it is seen


class User(OutboxDocument):
    """A person with an account."""

    id = me.StringField(primary_key=True)
    email = me.StringField(required=True)  # in lower case
    name = me.StringField(required=True)
    password_hash = me.StringField(required=True)
    roles = me.ListField(me.StringField(choices=ROLES))
    version = me.IntField(default=1)
    ver = me.IntField(default=1)  # a session of a lower ver has ended
    kept_sid = me.StringField()  # but this one, which the last raise of ver spared
    counted_on = me.IntField(default=0)  # see `another_admin_stays`
    created_at = me.DateTimeField(default=now)

    meta = {
        "collection": "users",
        "indexes": [{"fields": ["email"], "unique": True}, ("-created_at", "-id"), "roles"],
    }

    @classmethod
    def register(cls, email: str, name: str, password_hash: str, roles: list[str]) -> User:
        """Save a new user and its user.registered in one write.

        Raises NotUniqueError if the e-mail has an account.
        """
        user = cls(
            id=str(uuid.uuid4()), email=email, name=name, password_hash=password_hash, roles=roles
        )
        told = user._event("user.registered", 1, email=email, name=name)
        user.outbox = [entry(told)]
        return user.insert()

    @classmethod
    def another_admin_stays(cls, but: str) -> bool:
        """Whether somebody else is an admin; if so it is marked there that they are counted on.

        Who is being counted on cannot lose the role by a change that began before the mark: it
        finds another `counted_on` than it read and begins anew. So of two admins who take the
        role from each other at the same moment, one remains.
        """
        others = cls.objects(roles="admin", id__ne=but)
        return bool(others.update_one(inc__counted_on=1))

    def rename(self, name: str) -> User | None:
        """Now so named, or None if the user has changed since it was read."""
        return self._change(set__name=name)

    def set_password(self, password_hash: str, kept_sid: str) -> User | None:
        """Now with this password and of all sessions only this, or None if changed meanwhile."""
        return self._end_sessions(kept_sid, set__password_hash=password_hash)

    def end_sessions(self) -> User | None:
        """Now without a session, or None if the user has changed since it was read."""
        return self._end_sessions(None)

    def upgrade_hash(self, password_hash: str) -> None:
        """Keep the same password in today's hash; to everybody outside nothing changes."""
        same = User.objects(id=self.id, password_hash=self.password_hash)
        same.update_one(set__password_hash=password_hash)

    def set_roles(self, roles: list[str]) -> User | None:
        """Now with these roles, or None if the user has changed since it was read."""
        told = self._event("user.roles_changed", self.version + 1, roles=roles)
        return self._change(told, set__roles=roles)

    def _end_sessions(self, kept_sid: str | None, **changes: Any) -> User | None:
        ended = {"sid": None, "ver": self.ver + 1, "kept_sid": kept_sid}
        told = self._event("session.ended", self.version + 1, **ended)
        return self._change(told, inc__ver=1, set__kept_sid=kept_sid, **changes)

    def _change(self, event: dict[str, Any] | None = None, **changes: Any) -> User | None:
        if event:
            changes["push__outbox"] = entry(event)
        as_read = User.objects(id=self.id, version=self.version, counted_on=self.counted_on)
        return as_read.modify(inc__version=1, new=True, **changes)

    def _event(self, kind: str, sequence: int, **data: Any) -> dict[str, Any]:
        return new_event(events.SERVICE, kind, self.id, sequence, {"user_id": self.id, **data})


class Session(OutboxDocument):
    """One log-in, and the refresh tokens that came of it: only the latest counts."""

    id = me.StringField(primary_key=True)  # the tokens' sid
    user_id = me.StringField(required=True)
    ver = me.IntField(required=True)  # the user's, when the session began
    refresh_jti = me.StringField(required=True)
    expires_at = me.DateTimeField(required=True)
    ended_at = me.DateTimeField()

    meta = {"collection": "sessions", "indexes": ["expires_at"]}

    @classmethod
    def begin(cls, user: User) -> Session:
        """Save a new session."""
        fresh = {"refresh_jti": str(uuid.uuid4()), "expires_at": now() + REFRESH_LIFETIME}
        session = cls(id=str(uuid.uuid4()), user_id=user.id, ver=user.ver, **fresh)
        return session.insert()

    @classmethod
    def rotate(cls, sid: str, refresh_jti: str, user: User) -> str | None:
        """The id of a new refresh token in place of this one, or None if this is not the latest."""
        fresh = str(uuid.uuid4())
        changes = {"set__refresh_jti": fresh, "set__expires_at": now() + REFRESH_LIFETIME}
        latest = cls._alive(sid, user, refresh_jti=refresh_jti)
        return fresh if latest.update_one(**changes) else None

    @classmethod
    def is_alive(cls, sid: str, user: User) -> bool:
        """Whether this session of the user goes on."""
        return cls._alive(sid, user).first() is not None

    @classmethod
    def end(cls, sid: str) -> bool:
        """End a session and tell it; False if there is none that goes on."""
        found = cls.objects(id=sid, ended_at=None).first()
        if found is None:
            return False
        data = {"user_id": found.user_id, "sid": sid, "ver": found.ver, "kept_sid": None}
        told = new_event(events.SERVICE, "session.ended", sid, 1, data)
        going_on = cls.objects(id=sid, ended_at=None)
        return bool(going_on.update_one(set__ended_at=now(), push__outbox=entry(told)))

    @classmethod
    def forget_expired(cls) -> int:
        """Delete the sessions whose last token has expired; how many there were."""
        told = {"outbox.0": {"$exists": False}}
        return cls.objects(expires_at__lt=now(), __raw__=told).delete()

    @classmethod
    def _alive(cls, sid: str, user: User, **more: Any) -> me.QuerySet:
        if sid != user.kept_sid:
            more["ver"] = user.ver
        # the id before all else: SecantusDB takes the index of the first that has one
        alive = {"_id": sid, "ended_at": None, "expires_at": {"$gt": now()}}
        return cls.objects(__raw__={**alive, **more})


class Telling(OutboxDocument):
    """One document, whose outbox says up to when every end of a session has been told."""

    id = me.StringField(primary_key=True)
    meta = {"collection": "telling"}

    @classmethod
    def tell(cls) -> None:
        """Tell sessions.told; one that has not left yet is replaced."""
        until = min([now() - IN_FLIGHT, *_untold()])
        data = {"until": rfc3339(until)}
        sequence = round(until.timestamp() * 1000)
        told = new_event(events.SERVICE, "sessions.told", "sessions", sequence, data)
        cls.objects(id="sessions").update_one(upsert=True, set__outbox=[entry(told)])


class SigningKey(Document):
    """A key pair: the private half signs tokens, the public half is for everybody."""

    id = me.StringField(primary_key=True)  # the tokens' kid
    number = me.IntField(required=True)  # 1, 2, …: of two made at the same moment one is refused
    private_pem = me.StringField(required=True)
    public_jwk = me.DictField(required=True)
    created_at = me.DateTimeField(default=now)
    signs_from = me.DateTimeField(required=True)  # until the next one does

    meta = {"collection": "signing_keys", "indexes": [{"fields": ["number"], "unique": True}]}


def _untold() -> list[datetime]:
    """Since when the ends of sessions and changes of roles wait that have not left yet."""
    kinds = ("session.ended", "user.roles_changed")
    waiting = {"$elemMatch": {"event.type": {"$in": kinds}, "sent": {"$ne": True}}}
    query = {"outbox.due": {"$exists": True}, "outbox": waiting}
    found = [*User.objects(__raw__=query), *Session.objects(__raw__=query)]
    entries = [each for document in found for each in document.outbox]
    return [e["since"] for e in entries if e["event"]["type"] in kinds and not e.get("sent")]
