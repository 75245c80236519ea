"""Answers that are problems, as the contract has them: one for each status."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from . import problems
from .fields import Integer, Out, Text

_SECONDS = {"type": "integer", "format": "int32", "minimum": 1, "maximum": 86400}
_RETRY_AFTER = {"Retry-After": {"schema": _SECONDS, "description": "Seconds to wait"}}
_SCHEME = {"WWW-Authenticate": {"schema": {"const": "Bearer"}, "description": "What to send"}}
_HEADERS = {401: _SCHEME, 429: _RETRY_AFTER, 503: _RETRY_AFTER}


class ProblemErrorSchema(Out):
    """One value that is not valid."""

    pointer = Text(
        low=0,
        high=65536,  # it may end with a name of the sender's making
        required=True,
        metadata={"description": "JSON Pointer into the body, or query/…, path/…, headers/…"},
    )
    message = Text(high=1000, required=True)


class ProblemSchema(Out):
    """What every error answer looks like (RFC 9457)."""

    type = Text(high=100, required=True, metadata={"description": "A URN, or about:blank"})
    title = Text(high=100, required=True)
    status = Integer(low=400, high=599, required=True, metadata={"format": "int32"})
    detail = Text(low=0, high=1000, required=True)
    instance = Text(low=0, high=8192, required=True)
    request_id = Text(
        low=0, high=128, required=True, metadata={"description": "Finds it in the logs"}
    )
    errors = ma.fields.List(
        ma.fields.Nested(ProblemErrorSchema), validate=ma.validate.Length(max=65536)
    )


def name(status: int) -> str:
    """What the answer is called in the contract, on every Python: CONTENT_TOO_LARGE."""
    return problems.phrase(status).upper().replace(" ", "_").replace("-", "_").replace("'", "")


def response(status: int) -> dict[str, Any]:
    """The answer with its headers and an example, as any route could give it."""
    example = {
        "type": "about:blank",
        "title": problems.phrase(status),
        "status": status,
        "detail": problems.DETAILS.get(status, "What is wrong, in a sentence."),
        "instance": "/",
        "request_id": "5f0c8a52-33a1-4f0c-a7a4-6c3a1c8c7f10",
    }
    if status == 422:
        example["errors"] = [{"pointer": "query/limit", "message": "Not a valid integer."}]
    return {
        "description": problems.phrase(status),
        "schema": ProblemSchema,
        "headers": _HEADERS.get(status, {}),
        "example": example,
    }
