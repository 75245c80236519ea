"""Shapes on the wire."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from .chassis.fields import Text
from .models import ROLES

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = rf"^[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(\.{_LABEL})+$"  # as HTML5 has it
_LINE = r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"


class Whole(validate.Regexp):
    """As JSON Schema reads a pattern: `$` is the end, not before a last newline."""

    def __call__(self, value: str) -> str:
        if self.regex.fullmatch(value) is None:
            raise ma.ValidationError(self.error)
        return value


class Email(Text):
    """An e-mail address, in lower case."""

    def __init__(self, **options: Any) -> None:
        check = Whole(_EMAIL, error="Not a valid e-mail address.")
        super().__init__(high=254, also=[check], **options)

    def _deserialize(self, value: Any, *args: Any, **options: Any) -> str:
        return super()._deserialize(value, *args, **options).lower()


class Name(Text):
    """One line of text, without white space around it."""

    def __init__(self, **options: Any) -> None:
        check = Whole(_LINE, error="One line, without white space around it.")
        super().__init__(high=100, also=[check], **options)


class NewPassword(Text):
    """A password to be."""

    def __init__(self, **options: Any) -> None:
        super().__init__(low=8, high=128, **options)


class In(ma.Schema):
    """What comes in: nothing undeclared."""

    class Meta:
        unknown = ma.RAISE


class RegistrationSchema(In):
    """A new account."""

    email = Email(required=True)
    password = NewPassword(required=True)
    name = Name(required=True)


class LoginSchema(In):
    """Who wants to log in."""

    email = Email(required=True)
    password = Text(high=128, required=True)


class RefreshSchema(In):
    """The latest refresh token."""

    refresh_token = Text(high=4096, required=True)


class TokensSchema(ma.Schema):
    """What to call with, and what to get new ones with."""

    access_token = fields.String(required=True)
    refresh_token = fields.String(
        required=True, metadata={"description": "Good for one use within 30 days"}
    )
    token_type = fields.String(required=True, validate=validate.Equal("Bearer"))
    expires_in = fields.Integer(
        required=True, metadata={"description": "Seconds that the access token is good for"}
    )


class UserSchema(ma.Schema):
    """A user."""

    id = fields.String(required=True)
    email = fields.String(required=True)
    name = fields.String(required=True)
    roles = fields.List(fields.String(validate=validate.OneOf(ROLES)), required=True)
    created_at = fields.AwareDateTime(required=True)
    version = fields.Integer(required=True)


class MeInSchema(In):
    """What to change about oneself."""

    name = Name()
    password = NewPassword()
    current_password = Text(high=128, metadata={"description": "Needed to change the password"})

    @ma.validates_schema
    def both_passwords(self, data: dict[str, Any], **_: Any) -> None:
        if "password" in data and "current_password" not in data:
            raise ma.ValidationError("Needed to change the password.", "current_password")


class RolesSchema(In):
    """What somebody may do."""

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
    limit = fields.Integer(load_default=20, validate=validate.Range(1, 100))
    cursor = Text(high=512)


class UserPageSchema(ma.Schema):
    """A page of users."""

    items = fields.List(fields.Nested(UserSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class KeySchema(ma.Schema):
    """A public key (RFC 7517)."""

    kid = fields.String(required=True)
    kty = fields.String(required=True, validate=validate.Equal("RSA"))
    alg = fields.String(required=True, validate=validate.Equal("RS256"))
    use = fields.String(required=True, validate=validate.Equal("sig"))
    n = fields.String(required=True)
    e = fields.String(required=True)


class KeysSchema(ma.Schema):
    """The public keys."""

    keys = fields.List(fields.Nested(KeySchema), required=True)
