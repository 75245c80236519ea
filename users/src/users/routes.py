"""HTTP in and out: each view calls one use case, one table turns errors into statuses."""

from __future__ import annotations

from typing import Any

from flask import current_app
from pymongo.errors import ConnectionFailure

from . import errors, tokens, use_cases
from .chassis.auth import caller, public, requires
from .chassis.contract import Blueprint
from .chassis.cursors import InvalidCursor
from .keys import PUBLISHED_FOR
from .login_limits import count_login
from .models import User
from .schemas import (
    KeysSchema,
    LoginSchema,
    MeInSchema,
    RefreshSchema,
    RegistrationSchema,
    RolesSchema,
    TokensSchema,
    UserPageSchema,
    UserQuerySchema,
    UserSchema,
)

STATUSES: dict[type[Exception], int] = {
    errors.UserNotFound: 404,
    errors.EmailTaken: 409,
    errors.LastAdmin: 409,
    errors.WeakPassword: 422,
    errors.WrongPassword: 422,
    InvalidCursor: 422,
    errors.WrongCredentials: 401,
    errors.RefreshRefused: 401,
    errors.SessionEnded: 401,
    ConnectionFailure: 503,
}

auth = Blueprint("auth", __name__, url_prefix="/auth", description="Accounts and sessions")
users = Blueprint("users", __name__, url_prefix="/users", description="People")
well_known = Blueprint(
    "well_known", __name__, url_prefix="/.well-known", description="What tokens are checked with"
)

_LINE = {"schema": {"type": "string", "maxLength": 100}}
_ETAG = {"ETag": {**_LINE, "description": "The version, in quotes"}}
_LOCATION = {"Location": {**_LINE, "description": "Where the user is, for admins"}}
_CACHE = {"Cache-Control": {**_LINE, "description": "How long the keys may be kept"}}
_NO_STORE = {"Cache-Control": "no-store"}  # tokens belong in no cache (RFC 6749, 5.1)


@auth.route("/register", methods=["POST"], errors=[409, 503])
@public
@auth.arguments(RegistrationSchema)
@auth.response(201, UserSchema, headers=_LOCATION | _ETAG)
def register(body: dict[str, str]) -> Any:
    """Make an account"""
    user = use_cases.register(**body)
    return user, {"Location": f"/users/{user.id}", "ETag": _etag(user)}


@auth.route("/login", methods=["POST"], errors=[401, 429, 503])
@public
@auth.arguments(LoginSchema)
@auth.response(200, TokensSchema)
def log_in(body: dict[str, str]) -> Any:
    """Log in: begin a session"""
    count_login(body["email"])
    return tokens.issue(*use_cases.log_in(**body)), _NO_STORE


@auth.route("/refresh", methods=["POST"], errors=[401, 503])
@public
@auth.arguments(RefreshSchema)
@auth.response(200, TokensSchema)
def refresh(body: dict[str, str]) -> Any:
    """Get new tokens for a refresh token

    Each refresh token is good for one use. Using one again ends the session, because then two
    have it.
    """
    presented = tokens.read_refresh(body["refresh_token"])
    return tokens.issue(*use_cases.refresh(*presented)), _NO_STORE


@auth.route("/logout", methods=["POST"])
@auth.response(204)
def log_out() -> None:
    """Log out: end the session of this access token"""
    use_cases.log_out(caller().sid)


@auth.route("/logout-everywhere", methods=["POST"], errors=[404])
@auth.response(204)
def log_out_everywhere() -> None:
    """Log out everywhere: end every session of the caller"""
    use_cases.log_out_everywhere(caller().id)


@users.route("/me", methods=["GET"], errors=[404])
@users.response(200, UserSchema, headers=_ETAG)
def show_me() -> Any:
    """Show who is logged in"""
    return _with_etag(use_cases.get_user(caller().id))


@users.route("/me", methods=["PATCH"], errors=[404, 429])
@users.arguments(MeInSchema)
@users.response(200, UserSchema, headers=_ETAG)
def change_me(body: dict[str, str]) -> Any:
    """Change one's name or password

    A new password needs the current one, and ends all other sessions.
    """
    who = caller().id
    if "password" in body:
        count_login(who)  # who found an open session could guess here too
        sid = caller().sid
        use_cases.change_password(who, sid, body["current_password"], body["password"])
    user = use_cases.rename(who, body["name"]) if "name" in body else use_cases.get_user(who)
    return _with_etag(user)


@users.route("", methods=["GET"])
@requires("admin")
@users.arguments(UserQuerySchema, location="query")
@users.response(200, UserPageSchema)
def list_users(query: dict[str, Any]) -> use_cases.Page:
    """List users, newest first"""
    return use_cases.list_users(query.get("email"), query["limit"], query.get("cursor"))


@users.route("/<user_id>", methods=["GET"], errors=[404])
@requires("admin")
@users.response(200, UserSchema, headers=_ETAG)
def show_user(user_id: str) -> Any:
    """Show a user"""
    return _with_etag(use_cases.get_user(user_id))


@users.route("/<user_id>/roles", methods=["PUT"], errors=[404, 409])
@requires("admin")
@users.arguments(RolesSchema)
@users.response(200, UserSchema, headers=_ETAG)
def set_roles(body: dict[str, list[str]], user_id: str) -> Any:
    """Set what a user may do; an admin always remains"""
    return _with_etag(use_cases.set_roles(user_id, body["roles"]))


@well_known.route("/jwks.json", methods=["GET"], errors=[503])
@public
@well_known.response(200, KeysSchema, headers=_CACHE)
def show_keys() -> Any:
    """Show the public keys that tokens are checked with"""
    keys = current_app.extensions["keys"].published()
    return {"keys": keys}, {"Cache-Control": f"public, max-age={PUBLISHED_FOR}"}


def _with_etag(user: User) -> Any:
    return user, {"ETag": _etag(user)}


def _etag(user: User) -> str:
    return f'"{user.version}"'
