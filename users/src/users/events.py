"""The facts that users tells; it hears none."""

from __future__ import annotations

from typing import Any

SERVICE = "users"

_ID = {"type": "string", "minLength": 1, "maxLength": 64}
_SESSION = "c1b7f8f0-9a53-4f8e-8a44-0a2f5d1a9b11"
_ROLES = {"type": "array", "maxItems": 2, "items": {"enum": ["customer", "admin"]}}


def _data(description: str, example: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "required": ["user_id", *properties],
        "properties": {"user_id": _ID, **properties},
        "examples": [{"user_id": "7d4e9a52-91b8-4a57-8a9e-2f6c5d3b1a10", **example}],
    }


TELLS: dict[str, dict[str, Any]] = {
    "user.registered": _data(
        "Somebody has an account now",
        {"email": "ann@example.com", "name": "Ann"},
        email={"type": "string", "maxLength": 254},
        name={"type": "string", "maxLength": 100},
    ),
    "user.roles_changed": _data(
        "Somebody may do more, or less, than before",
        {"roles": ["customer", "admin"]},
        roles=_ROLES,
    ),
    "session.ended": _data(
        "Somebody logged out, or was",
        {"sid": _SESSION, "ver": 1, "kept_sid": None},
        sid={
            "type": ["string", "null"],
            "maxLength": 64,
            "description": "The session whose tokens ended; null: all tokens below `ver`",
        },
        ver={
            "type": "integer",
            "format": "int64",
            "minimum": 0,
            "maximum": 2**53 - 1,
            "description": "The `ver` of the tokens that still count",
        },
        kept_sid={
            "type": ["string", "null"],
            "maxLength": 64,
            "description": "The session that goes on although its tokens are below `ver`",
        },
    ),
    "sessions.told": {
        "type": "object",
        "description": "Every end of a session and every change of roles before `until` was told",
        "required": ["until"],
        "properties": {"until": {"type": "string", "format": "date-time", "maxLength": 64}},
        "examples": [{"until": "2026-11-22T10:00:00.000Z"}],
    },
}

# Whom they are told for; others may listen too.
HEARD_BY: dict[str, tuple[str, ...]] = dict.fromkeys(
    ("user.roles_changed", "session.ended", "sessions.told"),
    ("products", "orders", "notifications"),
)

HEARS: dict[str, dict[str, Any]] = {}

# Nobody need listen: users works alone.
MUST_BE_HEARD: frozenset[str] = frozenset()
