"""What gunicorn itself answers, before there is a request: in the one shape of all problems."""

from __future__ import annotations

import json
import socket
import uuid

from gunicorn import util

from .chassis.logs import log


def answer_with_problems() -> None:
    """Let gunicorn refuse a request that is no HTTP as the gateway refuses one that is."""
    # gunicorn offers no hook for this page; all its workers send it through this one function
    util.write_error = _write_problem


def _write_problem(client: socket.socket, status: int, title: str, detail: str) -> None:
    request_id = str(uuid.uuid4())
    log.info("request.unreadable", request_id=request_id, status=status)
    body = json.dumps(
        {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": detail[:300] or title,
            "instance": "",
            "request_id": request_id,
        }
    )
    head = [
        f"HTTP/1.1 {status} {title}",
        "Connection: close",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        f"X-Request-Id: {request_id}",
    ]
    util.write_nonblock(client, "\r\n".join([*head, "", body]).encode("latin-1"))
