"""Shapes on the wire."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from .chassis.fields import MAX_INTEGER, Cursor, In, Integer, Number, Out, Pattern, Text
from .models import ROLES

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = rf"^[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(\.{_LABEL})+$"  # as HTML5 has it
_LINE = r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"


class Email(Text):
    """An e-mail address, in lower case."""

    def __init__(self, **options: Any) -> None:
        check = Pattern(_EMAIL, error="Not a valid e-mail address.")
        super().__init__(high=254, also=[check], **options)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> str:
        return super()._deserialize(value, *args, **options).lower()


class Name(Text):
    """One line of text, without white space around it."""

    def __init__(self, **options: Any) -> None:
        check = Pattern(_LINE, error="One line, without white space around it.")
        super().__init__(high=100, also=[check], **options)


class NewPassword(Text):
    """A password to be."""

    def __init__(self, **options: Any) -> None:
        super().__init__(low=8, high=128, **options)


class RegistrationSchema(In):
    """A new account."""

    example = {"email": "ann@example.com", "password": "correct horse battery", "name": "Ann"}

    email = Email(required=True)
    password = NewPassword(required=True)
    name = Name(required=True)


class LoginSchema(In):
    """Who wants to log in."""

    example = {"email": "ann@example.com", "password": "correct horse battery"}

    email = Email(required=True)
    password = Text(high=128, required=True)


class RefreshSchema(In):
    """The latest refresh token."""

    example = {"refresh_token": "eyJhbGciOiJSUzI1NiIs….eyJ0eXBlIjoicmVmcmVzaCIs….c2lnbmVk…"}

    refresh_token = Text(high=4096, required=True)


class TokensSchema(Out):
    """What to call with, and what to get new ones with."""

    example = {
        "access_token": "eyJhbGciOiJSUzI1NiIs….eyJ0eXBlIjoiYWNjZXNzIiwi….c2lnbmVk…",
        "refresh_token": RefreshSchema.example["refresh_token"],
        "token_type": "Bearer",
        "expires_in": 900,
    }

    access_token = Text(high=4096, required=True)
    refresh_token = Text(
        high=4096, required=True, metadata={"description": "Good for one use within 30 days"}
    )
    token_type = fields.String(required=True, validate=validate.Equal("Bearer"))
    expires_in = Integer(
        low=1,
        high=86400,
        required=True,
        metadata={"description": "Seconds that the access token is good for"},
    )


class UserSchema(Out):
    """A user."""

    example = {
        "id": "7d4e9a52-91b8-4a57-8a9e-2f6c5d3b1a10",
        "email": "ann@example.com",
        "name": "Ann",
        "roles": ["customer"],
        "created_at": "2026-11-22T10:00:00+00:00",
        "version": 1,
    }

    id = Text(high=64, required=True)
    email = Text(high=254, required=True)
    name = Text(high=100, required=True)
    roles = fields.List(
        fields.String(validate=validate.OneOf(ROLES)),
        required=True,
        validate=validate.Length(1, len(ROLES)),
    )
    created_at = fields.AwareDateTime(required=True)
    version = Integer(low=1, high=MAX_INTEGER, required=True)


class MeInSchema(In):
    """What to change about oneself."""

    example = {"name": "Ann Example"}

    name = Name()
    password = NewPassword()
    current_password = Text(high=128, metadata={"description": "Needed to change the password"})

    @ma.validates_schema
    def both_passwords(self, data: dict[str, Any], **_: Any) -> None:
        if "password" in data and "current_password" not in data:
            raise ma.ValidationError("Needed to change the password.", "current_password")


class RolesSchema(In):
    """What somebody may do."""

    example = {"roles": ["customer", "admin"]}

    roles = fields.List(
        fields.String(validate=validate.OneOf(ROLES)),
        required=True,
        validate=validate.Length(1, len(ROLES)),
        metadata={"uniqueItems": True},
    )

    @ma.validates("roles")
    def each_once(self, roles: list[str], data_key: str) -> None:
        if len(set(roles)) < len(roles):
            raise ma.ValidationError("Name each role once.")


class UserQuerySchema(In):
    """Which users."""

    email = Email()
    limit = Number(load_default=20, validate=validate.Range(1, 100))
    cursor = Cursor()


class UserPageSchema(Out):
    """A page of users."""

    example = {"items": [UserSchema.example], "next_cursor": None}

    items = fields.List(fields.Nested(UserSchema), required=True, validate=validate.Length(max=100))
    next_cursor = Text(high=512, required=True, allow_none=True)


class KeySchema(Out):
    """A public key (RFC 7517)."""

    kid = Text(high=64, required=True)
    kty = fields.String(required=True, validate=validate.Equal("RSA"))
    alg = fields.String(required=True, validate=validate.Equal("RS256"))
    use = fields.String(required=True, validate=validate.Equal("sig"))
    n = Text(high=2048, required=True)
    e = Text(high=64, required=True)


class KeysSchema(Out):
    """The public keys."""

    example = {
        "keys": [
            {
                "kid": "2026-11-22-a1b2c3",
                "kty": "RSA",
                "alg": "RS256",
                "use": "sig",
                "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4…",
                "e": "AQAB",
            }
        ]
    }

    keys = fields.List(fields.Nested(KeySchema), required=True, validate=validate.Length(max=100))
