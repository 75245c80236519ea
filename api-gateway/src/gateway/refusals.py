"""What is refused without Flask, before it or without a request: a problem, ready to be sent."""

from __future__ import annotations

import json
import uuid
from typing import NamedTuple

from .chassis.problems import MEDIA_TYPE


class Refusal(NamedTuple):
    """A problem, its headers, and the id that finds it in the logs."""

    body: bytes
    headers: list[tuple[str, str]]
    request_id: str


def refusal(status: int, title: str, detail: str, instance: str = "", **headers: str) -> Refusal:
    """Of this status; a header Retry_After is sent as Retry-After."""
    request_id = str(uuid.uuid4())
    problem = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
        "request_id": request_id,
    }
    body = json.dumps(problem).encode()
    told = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body)))]
    told += [("X-Request-Id", request_id)]
    told += [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Refusal(body, told, request_id)
