"""Tokens: made of a session and signed with the stored keys; read back with the same."""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app, g
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import PyJWTError

from . import use_cases
from .chassis import auth
from .errors import RefreshRefused
from .keys import Key, KeyRing
from .models import ACCESS_LIFETIME, REFRESH_LIFETIME, User


def init_app(app: Flask, *, issuer: str, audience: str) -> None:
    """Sign tokens, and check them as every service does, and that their session goes on."""
    ring = KeyRing()
    app.extensions["keys"] = ring
    app.config.update(
        JWT_ACCESS_TOKEN_EXPIRES=ACCESS_LIFETIME,
        JWT_REFRESH_TOKEN_EXPIRES=REFRESH_LIFETIME,
        JWT_COOKIE_CSRF_PROTECT=False,  # there are no cookies; it would add a claim
    )

    def find(kid: str) -> Any:
        if key := ring.find(kid):
            return key
        raise auth.UnknownKey("The token is signed with a key that is not known.")

    auth.init_app(app, issuer=issuer, audience=audience, find_key=find, has_ended=_has_ended)
    jwt: JWTManager = app.extensions["flask-jwt-extended"]
    jwt.encode_key_loader(lambda _: _signing_key().private)
    jwt.additional_headers_loader(lambda _: {"kid": _signing_key().kid})


def issue(user: User, sid: str, refresh_jti: str) -> dict[str, Any]:
    """The answer to a log-in: an access token and the session's latest refresh token."""
    claims = {"sid": sid, "ver": user.ver}  # the session goes on with this ver of the user
    refresh_claims = {**claims, "jti": refresh_jti}
    return {
        "access_token": create_access_token(
            user.id, additional_claims={**claims, "roles": list(user.roles)}
        ),
        "refresh_token": create_refresh_token(user.id, additional_claims=refresh_claims),
        "token_type": "Bearer",
        "expires_in": int(ACCESS_LIFETIME.total_seconds()),
    }


def read_refresh(token: str) -> tuple[str, str, str]:
    """(user id, sid, jti) of a refresh token. Raises RefreshRefused."""
    try:
        claims = decode_token(token)
        if claims["type"] != "refresh":
            raise RefreshRefused
        return claims["sub"], claims["sid"], claims["jti"]
    except (PyJWTError, JWTExtendedException, LookupError, AttributeError, TypeError, ValueError):
        # the last four: parts that are JSON, but not of a token's shape
        raise RefreshRefused from None


def _signing_key() -> Key:
    """One key for the whole request: the header must name the key that signed."""
    if "signing_key" not in g:
        g.signing_key = current_app.extensions["keys"].signing()
    return g.signing_key


def _has_ended(claims: dict[str, Any]) -> bool:
    return not use_cases.may_go_on(claims["sub"], claims["sid"], set(claims["roles"]))
