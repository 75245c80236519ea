"""The facts that users tells; it hears none."""

from __future__ import annotations

from typing import Any

SERVICE = "users"

_ID = {"type": "string", "minLength": 1}
_ROLES = {"type": "array", "items": {"enum": ["customer", "admin"]}}


def _data(description: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "required": ["user_id", *properties],
        "properties": {"user_id": _ID, **properties},
    }


TELLS: dict[str, dict[str, Any]] = {
    "user.registered": _data(
        "Somebody has an account now", email={"type": "string"}, name={"type": "string"}
    ),
    "user.roles_changed": _data("Somebody may do more, or less, than before", roles=_ROLES),
    "session.ended": _data(
        "Somebody logged out, or was",
        sid={
            "type": ["string", "null"],
            "description": "The session whose tokens ended; null: all tokens below `ver`",
        },
        ver={"type": "integer", "description": "The `ver` of the tokens that still count"},
    ),
}

HEARS: dict[str, dict[str, Any]] = {}

# Nobody need listen: users works alone.
MUST_BE_HEARD: frozenset[str] = frozenset()
