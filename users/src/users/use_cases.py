"""What users does, verb by verb."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mongoengine import NotUniqueError
from prometheus_client import Counter

from . import passwords
from .chassis import cursors
from .chassis.logs import log
from .chassis.metrics import REGISTRY
from .errors import (
    EmailTaken,
    LastAdmin,
    RefreshRefused,
    SessionEnded,
    UserNotFound,
    WrongCredentials,
    WrongPassword,
)
from .models import Session, User

SignedIn = tuple[User, str, str]  # with the sid, and the jti of the latest refresh token

LOGINS = Counter(
    "shop_logins_total",
    "Log-ins that were right (ok), or had a wrong e-mail or password (refused)",
    ["outcome"],
    registry=REGISTRY,
)
for _outcome in ("ok", "refused"):
    LOGINS.labels(_outcome)


@dataclass(frozen=True)
class Page:
    """Some rows of a list, and where the next begin (None: there are none)."""

    items: list[User]
    next_cursor: str | None


def register(email: str, password: str, name: str, *, admin: bool = False) -> User:
    """A new account. Raises EmailTaken, WeakPassword."""
    passwords.check(password, email)
    roles = ["customer", "admin"] if admin else ["customer"]
    try:
        user = User.register(email, name, passwords.hash_of(password), roles)
    except NotUniqueError:
        raise EmailTaken from None
    log.info("user.registered", user_id=user.id, roles=roles)
    return user


def log_in(email: str, password: str) -> SignedIn:
    """The user, and a new session. Raises WrongCredentials."""
    user = User.objects(email=email).first()
    if user is None:
        passwords.verify_nobodys(password)
        LOGINS.labels("refused").inc()
        log.info("login.refused")
        raise WrongCredentials
    right, better_hash = passwords.verify(password, user.password_hash)
    if not right:
        LOGINS.labels("refused").inc()
        log.info("login.refused", user_id=user.id)
        raise WrongCredentials
    if better_hash:
        user.upgrade_hash(better_hash)
    session = Session.begin(user)
    LOGINS.labels("ok").inc()
    return user, session.id, session.refresh_jti


def refresh(user_id: str, sid: str, refresh_jti: str) -> SignedIn:
    """The user, and their session whose latest refresh token this was. Raises RefreshRefused.

    An older one ends the session: somebody has a copy, and nobody knows who is the thief.
    """
    user = User.objects(id=user_id).first()
    if user is None:
        raise RefreshRefused
    fresh_jti = Session.rotate(sid, refresh_jti, user)
    if fresh_jti is None:
        if Session.end(sid):
            log.warning("refresh.reused", user_id=user_id, sid=sid)
        raise RefreshRefused
    return user, sid, fresh_jti


def log_out(sid: str) -> None:
    """End a session; one that has ended stays so."""
    Session.end(sid)


def log_out_everywhere(user_id: str) -> None:
    """End every session of the user. Raises UserNotFound."""
    _change(user_id, User.end_sessions)
    log.info("user.logged_out_everywhere", user_id=user_id)


def may_go_on(user_id: str, sid: str, roles: set[str]) -> bool:
    """Whether an access token still says the truth: of its session, and of the user's roles."""
    user = User.objects(id=user_id).first()
    if user is None or not roles <= set(user.roles):
        return False
    return Session.is_alive(sid, user)


def get_user(user_id: str) -> User:
    """A user. Raises UserNotFound."""
    user = User.objects(id=user_id).first()
    if user is None:
        raise UserNotFound
    return user


def list_users(email: str | None, limit: int, cursor: str | None) -> Page:
    """Users, newest first; with an e-mail only whose it is. Raises InvalidCursor."""
    filters = {"email": email}
    found = User.objects(email=email) if email else User.objects
    return Page(*cursors.newest(found, filters, limit, cursor))


def rename(user_id: str, name: str) -> User:
    """The user under a new name. Raises UserNotFound."""
    return _change(user_id, lambda user: user.rename(name))


def change_password(user_id: str, sid: str, current: str, new: str) -> User:
    """The user with a new password; of the sessions only `sid` goes on.

    Raises UserNotFound, SessionEnded, WrongPassword, WeakPassword.
    """

    def change(user: User) -> User | None:
        if not Session.is_alive(sid, user):  # it may have ended since the request was let in
            raise SessionEnded
        if not passwords.verify(current, user.password_hash)[0]:
            raise WrongPassword
        passwords.check(new, user.email)
        return user.set_password(passwords.hash_of(new), kept_sid=sid)

    user = _change(user_id, change)
    log.info("user.password_changed", user_id=user_id)
    return user


def set_roles(user_id: str, roles: list[str]) -> User:
    """The user with these roles. Raises UserNotFound, LastAdmin."""

    def change(user: User) -> User | None:
        if set(user.roles) == set(roles):
            return user
        loses_admin = "admin" in user.roles and "admin" not in roles
        if loses_admin and not User.another_admin_stays(but=user.id):
            raise LastAdmin
        return user.set_roles(roles)

    return _change(user_id, change)


def make_admin(email: str) -> User | None:
    """The account of this e-mail as an admin, or None if there is none."""
    user = User.objects(email=email).first()
    if user is None:
        return None
    return _change(user.id, lambda u: u if "admin" in u.roles else u.set_roles([*u.roles, "admin"]))


def _change(user_id: str, change: Callable[[User], User | None]) -> User:
    """Change the user as it is; begin anew when somebody else changed it meanwhile."""
    while True:
        if changed := change(get_user(user_id)):
            return changed
