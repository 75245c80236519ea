"""What is no HTTP, or too much of it, over real sockets."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest


def tell(url: str, raw: bytes) -> tuple[int, dict[str, str], dict]:
    """(status, headers, problem) of what the gateway answers to some bytes."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as client:
        client.sendall(raw)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, json.loads(body)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /products HTTP/9.9\r\n\r\n", 400),
        (b"GET /products HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        (b"GET /products HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n", 400),
        (b"GET /products HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n", 400),
        (b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"X-A: 1\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nX-A: " + b"1" * 9000 + b"\r\n\r\n", 431),
    ],
)
def test_a_request_that_cannot_be_read_is_a_problem_too(gateway: str, raw: bytes, status: int):
    answered, headers, problem = tell(gateway, raw)
    assert answered == problem["status"] == status
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["X-Request-Id"] == problem["request_id"]
    assert problem["title"] and problem["detail"]
