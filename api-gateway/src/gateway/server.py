"""What gunicorn itself answers, before there is a request: in the one shape of all problems."""

from __future__ import annotations

import socket
import uuid

from gunicorn import util

from .chassis.logs import log
from .refusals import refusal


def answer_with_problems() -> None:
    """Let gunicorn refuse a request that is no HTTP as the gateway refuses one that is."""
    # gunicorn offers no hook for this page; all its workers send it through this one function
    util.write_error = _write_problem


def _write_problem(client: socket.socket, status: int, title: str, detail: str) -> None:
    request_id = str(uuid.uuid4())
    told = {"Connection": "close", "X-Request-Id": request_id}
    refused = refusal(status, detail[:300] or title, "", request_id, told)
    log.info("request.unreadable", request_id=request_id, status=status)
    lines = [f"HTTP/1.1 {refused.status}", *(f"{name}: {text}" for name, text in refused.headers)]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    util.write_nonblock(client, head + refused.body)
