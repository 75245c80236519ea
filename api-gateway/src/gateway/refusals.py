"""What is refused without Flask, before it or without a request: a problem, ready to be sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from .chassis.problems import MEDIA_TYPE, phrase


class Refusal(NamedTuple):
    """A problem and its headers."""

    status: str  # with its phrase
    headers: list[tuple[str, str]]
    body: bytes


def refusal(
    status: int, detail: str, instance: str, request_id: str, headers: Mapping[str, str]
) -> Refusal:
    """Of this status, with these headers beside its own."""
    problem = {
        "type": "about:blank",
        "title": phrase(status),
        "status": status,
        "detail": detail,
        "instance": instance,
        "request_id": request_id,
    }
    body = json.dumps(problem).encode()
    told = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body)))]
    return Refusal(f"{status} {phrase(status)}", [*told, *headers.items()], body)
