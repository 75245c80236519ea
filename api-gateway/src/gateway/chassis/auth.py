"""Who is calling, and what they may do: the check of access tokens. Closed unless opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, Response, current_app, g, request
from flask_jwt_extended import JWTManager, verify_jwt_in_request
from jwt import InvalidTokenError
from structlog.contextvars import bind_contextvars

from .known_tokens import KnownTokens, Signer
from .problems import problem

ALGORITHM = "RS256"  # the cheapest to verify, and everybody but users only verifies
LEEWAY = 5  # seconds that the clocks of two hosts may differ
CLAIMS = {"iss", "aud", "sub", "exp", "iat", "jti", "sid", "ver", "roles"}

View = TypeVar("View", bound=Callable[..., Any])
FindKey = Callable[[str], Any]
HasEnded = Callable[[dict[str, Any]], bool]


class UnknownKey(InvalidTokenError):
    """The token names no key, or one that nobody published."""


class KeysUnavailable(Exception):
    """The public keys cannot be had just now, so no token can be judged."""


class SessionUnknown(Exception):
    """Whether the session of a token goes on cannot be told just now; a newer token may do."""


@dataclass(frozen=True)
class Caller:
    """The person a valid access token speaks for."""

    id: str
    roles: frozenset[str]
    sid: str  # the session

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles


def public(view: View) -> View:
    """Open a view to everybody; without this a view needs a valid access token."""
    view.access = "public"  # type: ignore[attr-defined]
    return view


def requires(role: str) -> Callable[[View], View]:
    """Open a view only to callers who have the role."""

    def decorator(view: View) -> View:
        view.access = role  # type: ignore[attr-defined]
        return view

    return decorator


def access_of(view: Callable[..., Any]) -> str | None:
    """ "public", a role, or None for any valid token."""
    return getattr(view, "access", None)


def caller() -> Caller:
    """Who sent this request. Only for views that are not public."""
    return g.caller


def init_app(
    app: Flask, *, issuer: str, audience: str, find_key: FindKey, has_ended: HasEnded
) -> None:
    """Check the token of every request, and that its session goes on, unless its view is public.

    `has_ended` is asked with the claims; it may raise SessionUnknown.
    """
    check_tokens(app, issuer=issuer, audience=audience, find_key=find_key, has_ended=has_ended)
    app.before_request(_admit)


def check_tokens(
    app: Flask,
    *,
    issuer: str,
    audience: str,
    find_key: FindKey,
    has_ended: HasEnded = lambda _: False,
) -> None:
    """Set up what a valid token is, and the one answer to all that are not."""

    def find(header: dict[str, Any], _: dict[str, Any]) -> Any:
        kid = header.get("kid") or ""
        g.signer = Signer(kid, find_key(kid))
        return g.signer.key

    app.extensions["known_tokens"] = KnownTokens(find_key, has_ended, LEEWAY)
    app.config.update(
        JWT_ALGORITHM=ALGORITHM,
        JWT_DECODE_ISSUER=issuer,
        JWT_DECODE_AUDIENCE=audience,
        JWT_DECODE_LEEWAY=LEEWAY,
        JWT_ENCODE_ISSUER=issuer,
        JWT_ENCODE_AUDIENCE=audience,
    )
    jwt = JWTManager(app)
    jwt.decode_key_loader(find)
    jwt.token_in_blocklist_loader(lambda _, c: _is_complete(c) and has_ended(c))
    jwt.token_verification_loader(lambda _, claims: _is_complete(claims))
    jwt.unauthorized_loader(lambda _: _refuse("Send an access token: Authorization: Bearer …"))
    jwt.invalid_token_loader(lambda _: _refuse("The access token is not valid."))
    jwt.token_verification_failed_loader(lambda *_: _refuse("The access token lacks claims."))
    jwt.expired_token_loader(lambda *_: _refuse("The access token has expired."))
    jwt.revoked_token_loader(lambda *_: _refuse("The session of this token has ended."))
    app.register_error_handler(
        KeysUnavailable, lambda error: problem(503, str(error), headers={"Retry-After": "1"})
    )
    app.register_error_handler(SessionUnknown, lambda error: _refuse(str(error)))


def verify() -> Caller:
    """The caller of this request; raises what `check_tokens` answers with 401 or 503."""
    known: KnownTokens = current_app.extensions["known_tokens"]
    sent = request.headers.get("Authorization", "")
    try:
        if (claims := known.claims(sent)) is None:
            _, claims = verify_jwt_in_request()
            known.remember(sent, claims, g.signer)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # a header of commas, or a token whose parts are JSON, but not of a token's shape
        raise InvalidTokenError("not a token") from error
    who = g.caller = Caller(claims["sub"], frozenset(claims["roles"]), claims["sid"])
    bind_contextvars(user_id=who.id)
    return who


def _admit() -> Response | None:
    if request.endpoint is None or request.method == "OPTIONS":
        return None  # Flask answers by itself: 404, 405, or what is allowed
    access = access_of(current_app.view_functions[request.endpoint])
    if access == "public":
        return None
    who = verify()
    if access is not None and access not in who.roles:
        return problem(403, f"This needs the role {access}.")
    return None


def _is_complete(claims: dict[str, Any]) -> bool:
    return all(claims.get(name) is not None for name in CLAIMS)


def _refuse(detail: str) -> Response:
    return problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
