"""Requests and answers pass through whole and unchanged, over real sockets."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from conftest import CLOSED, Handler, Service, make_token, serving, wait_until
from gateway import connections
from gateway.chassis import breaker


def connect(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)


def talk(url: str, *lines: str, body: bytes = b"") -> bytes:
    """What comes back for a request written by hand."""
    host, port = urlsplit(url).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode() + body)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        return answer


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def pieces_of(body: bytes, size: int = 1000) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


# --- bodies ---------------------------------------------------------------------------------------


def test_bodies_arrive_whole_with_a_length_or_in_chunks(
    gateway: str, services: dict[str, Service], bearer: dict[str, str]
) -> None:
    client = connect(gateway)
    for size in (0, 1, 1023, 65535, 65536):
        body = os.urandom(size)
        for content in (body, pieces_of(body)):
            client.request("POST", "/products", content, bearer)
            answer = client.getresponse()
            seen = json.load(answer)
            assert answer.status == 200
            assert (seen["size"], seen["sha256"]) == (size, hashlib.sha256(body).hexdigest())
            assert seen["headers"]["content-length"] == str(size)
    client.close()


def test_who_sends_slowly_takes_nobodys_place(
    settings: dict[str, Any], services: dict[str, Service], bearer: dict[str, str]
) -> None:
    with serving({**settings, "upstream_connections": 1}) as gateway:
        host, port = urlsplit(gateway).netloc.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as slow:
            slow.sendall(
                f"POST /products HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nConnection: close\r\n"
                f"Authorization: {bearer['Authorization']}\r\n\r\n12345".encode()
            )
            client = connect(gateway)
            for _ in range(5):
                client.request("POST", "/products", b"quick", bearer)
                assert json.load(client.getresponse())["size"] == 5
            client.close()
            assert services["products"].reached == 5
            slow.sendall(b"67890")
            answer = b"".join(iter(lambda: slow.recv(65536), b""))
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["size"] == 10


def test_refuses_a_body_that_says_it_is_too_long_before_reading_it(
    gateway: str, services: dict[str, Service], bearer: dict[str, str]
) -> None:
    answer = talk(
        gateway,
        "POST /products HTTP/1.1", "Host: x", "Connection: close",
        f"Content-Length: {64 * 1024 + 1}", f"Authorization: {bearer['Authorization']}",
    )  # fmt: skip
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer
    assert services["products"].reached == 0


def test_cuts_off_a_chunked_body_that_becomes_too_long(
    gateway: str, services: dict[str, Service], bearer: dict[str, str]
) -> None:
    answer = talk(
        gateway,
        "POST /products HTTP/1.1", "Host: x", "Connection: close", "Transfer-Encoding: chunked",
        f"Authorization: {bearer['Authorization']}",
        body=chunked(*[b"x" * 1024] * 65),
    )  # fmt: skip
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert services["products"].reached == 0


@pytest.mark.parametrize("path", ["/auth/login", "/auth/register"])
def test_limits_are_those_of_the_row(
    client: FlaskClient, services: dict[str, Service], path: str
) -> None:
    assert client.post(path, data=b"x" * 4096).status_code == 200
    assert client.post(path, data=b"x" * 4097).status_code == 413


def test_a_row_without_a_body_takes_none(client: FlaskClient, services: dict[str, Service]) -> None:
    assert client.get("/products", headers={"Content-Length": "0"}).status_code == 200
    answer = client.get("/products", data=b"x")
    assert (answer.status_code, answer.mimetype) == (413, "application/problem+json")


def test_a_body_that_breaks_off_reaches_no_service(
    gateway: str, services: dict[str, Service], bearer: dict[str, str]
) -> None:
    for framing, body in (
        ("Content-Length: 10", b"12345"),
        ("Transfer-Encoding: chunked", b"5\r\n12345\r\n"),
        ("Transfer-Encoding: chunked", b"5\r\n12345\r\nnonsense\r\n"),
    ):
        host, port = urlsplit(gateway).netloc.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as client:
            head = f"POST /orders HTTP/1.1\r\nHost: x\r\n{framing}\r\nConnection: close\r\n"
            head += f"Authorization: {bearer['Authorization']}\r\n\r\n"
            client.sendall(head.encode() + body)
            client.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 400 ")
    assert services["orders"].reached == 0


def test_does_not_wait_for_ever_for_a_client(
    settings: dict[str, Any], services: dict[str, Service]
) -> None:
    """Nor for one that says a little now and then."""
    with serving({**settings, "client_timeout": 0.3}) as gateway:
        host, port = urlsplit(gateway).netloc.split(":")
        with socket.create_connection((host, int(port)), timeout=0.05) as client:
            client.sendall(b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n")
            answer = b""
            for _ in range(400):
                with contextlib.suppress(TimeoutError):
                    answer = client.recv(65536)
                    break
                client.sendall(b"1")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert services["users"].reached == 0


def test_a_connection_may_rest_for_longer_than_a_body_may_take(
    settings: dict[str, Any], services: dict[str, Service]
) -> None:
    with serving({**settings, "client_timeout": 0.1}) as gateway:
        caller = http.client.HTTPConnection(urlsplit(gateway).netloc, timeout=10)
        with contextlib.closing(caller):
            caller.connect()
            used = caller.sock
            for rest in (0.5, 0):
                caller.request("POST", "/auth/login", body=b"1")
                assert caller.getresponse().read()
                time.sleep(rest)
            assert caller.sock is used
    assert len(services["users"].seen) == 2


def test_what_is_no_http_is_refused(gateway: str, services: dict[str, Service]) -> None:
    for odd in (
        ["Host: x", "Content-Length: 1", "Transfer-Encoding: chunked"],
        ["Host: x", "Content-Length: 1", "Content-Length: 2"],
        ["Host: x", "Content-Length: x"],
        ["Host: x", "Content-Length: -1"],
        ["Host: x", "Transfer-Encoding: gzip, nonsense"],
        ["Host: x", "Bad Name: 1"],
    ):
        start = ["POST /auth/login HTTP/1.1", "Connection: close"]
        answer = talk(gateway, *start, *odd, body=b"0\r\n")
        assert answer[9:10] in (b"4", b"5") and answer[9:12] != b"500"
    assert services["users"].reached == 0


def test_odd_requests_are_never_a_500(gateway: str, services: dict[str, Service]) -> None:
    for line, host in (
        ("GET /products?q=é\x7f HTTP/1.1", "x"),
        ("GET /products?q=\x01 HTTP/1.1", "x"),
        ("GET /products?q=a#b HTTP/1.1", "x"),
        ("GET http://evil.example/products HTTP/1.1", "x"),
        ("GET //products HTTP/1.1", "x"),
        ("GET /products HTTP/1.1", "<script>"),
        ("GET /products HTTP/1.1", "a b:x"),
        ("GET /products HTTP/1.0", "x"),
        ("OPTIONS * HTTP/1.1", "x"),
        ("GET /%ff%fe HTTP/1.1", "x"),
    ):
        answer = talk(gateway, line, f"Host: {host}", "Connection: close")
        assert answer[9:10] in (b"2", b"4"), (line, host, answer)


# --- headers --------------------------------------------------------------------------------------


def test_headers_of_one_connection_end_here(gateway: str, services: dict[str, Service]) -> None:
    services["users"].answers["/.well-known/jwks.json"] = lambda handler: handler.tell(
        {}, Connection="X-Inner", X_Inner="1", Keep_Alive="timeout=5", Proxy_Authenticate="Basic",
        Trailer="X-T", Upgrade="h2c", X_Kept="yes",
    )  # fmt: skip
    client = connect(gateway)
    client.request(
        "GET",
        "/.well-known/jwks.json",
        headers={
            "Connection": "X-Secret, te", "X-Secret": "1", "TE": "trailers", "Upgrade": "h2c",
            "Keep-Alive": "timeout=5", "Proxy-Authorization": "Basic x", "Trailer": "X-T",
            "Proxy-Connection": "keep-alive", "X-Kept": "yes",
        },
    )  # fmt: skip
    answer = client.getresponse()
    answer.read()
    client.close()
    seen = services["users"].seen[-1]["headers"]
    ended = {"connection", "keep-alive", "proxy-authorization", "te", "trailer", "upgrade"}
    assert not (ended | {"proxy-connection", "x-secret"}) & seen.keys()
    assert seen["x-kept"] == "yes"
    ended = {"Keep-Alive", "Proxy-Authenticate", "Trailer", "Upgrade", "X-Inner"}
    assert not ended & set(answer.headers)
    assert answer.headers["Connection"] == "keep-alive"  # the gateway's own
    assert answer.headers["X-Kept"] == "yes"


def test_says_for_whom_it_asks_whatever_the_client_says(
    gateway: str, services: dict[str, Service], bearer: dict[str, str]
) -> None:
    client = connect(gateway)
    spoofed = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "1"}
    spoofed |= {"X-Forwarded-Host": "evil.example", "Forwarded": "for=6.6.6.6"}
    client.request("GET", "/orders", headers={**spoofed, **bearer, "Host": "shop.example"})
    seen = json.load(client.getresponse())["headers"]
    client.close()
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "http"
    assert seen["x-forwarded-host"] == "shop.example"
    assert seen["host"] == urlsplit(services["orders"].url).netloc
    assert not {"forwarded", "x-forwarded-port"} & seen.keys()


def test_believes_the_proxies_it_was_told_of(
    make_app: Callable[..., Flask], services: dict[str, Service], bearer: dict[str, str]
) -> None:
    client = make_app(trusted_proxies=1).test_client()
    headers = {"X-Forwarded-For": "6.6.6.6, 9.9.9.9", "X-Forwarded-Proto": "https"}
    client.get("/orders", headers={**headers, **bearer})
    seen = services["orders"].seen[-1]["headers"]
    assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == ("9.9.9.9", "https")


def test_gives_a_request_an_id_and_a_trace(
    client: FlaskClient, services: dict[str, Service]
) -> None:
    answer = client.get("/products")
    seen = services["products"].seen[-1]["headers"]
    assert seen["x-request-id"] == answer.headers["X-Request-Id"]
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", seen["traceparent"])


def test_passes_on_the_id_and_the_trace_of_a_request(
    client: FlaskClient, services: dict[str, Service]
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"X-Request-Id": "mine-1", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    answer = client.get("/products", headers={**headers, "tracestate": "a=1"})
    seen = services["products"].seen[-1]["headers"]
    assert (seen["x-request-id"], answer.headers["X-Request-Id"]) == ("mine-1", "mine-1")
    assert seen["traceparent"].split("-")[1] == trace
    assert seen["traceparent"] != headers["traceparent"]
    assert seen["tracestate"] == "a=1"


def test_passes_on_what_services_look_at(
    client: FlaskClient, services: dict[str, Service], bearer: dict[str, str]
) -> None:
    headers = {"If-Match": '"3"', "Idempotency-Key": "k", "Content-Type": "text/odd; a=b"}
    client.put("/products/x", data=b"{}", headers={**bearer, **headers})
    seen = services["products"].seen[-1]["headers"]
    assert {**seen, "if-match": '"3"', "idempotency-key": "k"} == seen
    assert seen["content-type"] == "text/odd; a=b"
    assert seen["authorization"] == bearer["Authorization"]


# --- answers --------------------------------------------------------------------------------------


def test_long_answers_come_through_whole(gateway: str, services: dict[str, Service]) -> None:
    body = os.urandom(1_000_001)

    def with_length(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def in_chunks(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(chunked(*pieces_of(body, 12345)))

    def until_closed(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body)

    client = connect(gateway)
    for answer in (with_length, in_chunks, until_closed):
        services["products"].answers["/products"] = answer
        client.request("GET", "/products")
        assert client.getresponse().read() == body
    client.close()


def test_who_reads_slowly_takes_nobodys_place(
    settings: dict[str, Any], services: dict[str, Service]
) -> None:
    body = os.urandom(4_000_000)  # more than lies on the way

    def tell(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    services["products"].answers["/products"] = tell
    with serving({**settings, "upstream_connections": 1}) as gateway:
        host, port = urlsplit(gateway).netloc.split(":")
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect((host, int(port)))
            slow.sendall(b"GET /products HTTP/1.1\r\nHost: x\r\n\r\n")
            assert slow.recv(5) == b"HTTP/"
            client = connect(gateway)
            for _ in range(5):
                client.request("GET", "/products/1")
                answer = client.getresponse()
                answer.read()
                assert answer.status == 200
            client.close()


@pytest.mark.parametrize("told", ["its length", "no length"])
def test_an_answer_that_is_too_long_is_a_502(
    client: FlaskClient, services: dict[str, Service], monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    monkeypatch.setattr(connections, "LONGEST", 1000)

    def tell(handler: Handler) -> None:
        handler.send_response(200)
        if told == "its length":
            handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(b"x" * 65536)

    services["products"].answers["/products"] = tell
    assert_problem(client.get("/products"), 502)
    assert client.get("/products/1").status_code == 200


def test_headers_that_no_service_takes_are_refused(
    client: FlaskClient, services: dict[str, Service], bearer: dict[str, str]
) -> None:
    twice = [("Accept", "x" * 5000), ("Accept", "y" * 5000), *bearer.items()]
    assert_problem(client.get("/orders", headers=twice), 431)
    assert services["orders"].reached == 0


def test_answers_are_neither_decoded_nor_followed(
    client: FlaskClient, services: dict[str, Service]
) -> None:
    def redirect(handler: Handler) -> None:
        handler.send_response(303, "Go There")
        for name, value in (
            ("Location", "/products/1"), ("Content-Encoding", "gzip"), ("Content-Length", "4"),
            ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("ETag", '"7"'), ("Link", "</x>"),
        ):  # fmt: skip
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(b"\x1f\x8b\x00\x00")

    services["products"].answers["/products"] = redirect
    answer = client.get("/products")
    assert answer.status == "303 Go There"
    assert answer.data == b"\x1f\x8b\x00\x00"
    assert answer.headers["Location"] == "/products/1"
    assert answer.headers.getlist("Set-Cookie") == ["a=1", "b=2"]
    assert (answer.headers["ETag"], answer.headers["Link"]) == ('"7"', "</x>")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert services["products"].reached == 1


def test_answers_without_a_body_have_none(gateway: str, services: dict[str, Service]) -> None:
    def empty(status: int, *headers: tuple[str, str]) -> Callable[[Handler], None]:
        def answer(handler: Handler) -> None:
            handler.send_response(status)
            for name, value in headers:
                handler.send_header(name, value)
            handler.end_headers()

        return answer

    answers, order = services["products"].answers, services["orders"].answers
    client, token = connect(gateway), {"Authorization": f"Bearer {make_token()}"}

    order["/orders/1"] = empty(304, ("ETag", '"1"'), ("Cache-Control", "max-age=5"))
    client.request("GET", "/orders/1", headers={**token, "If-None-Match": '"1"'})
    answer = client.getresponse()
    assert (answer.status, answer.read(), answer.headers["ETag"]) == (304, b"", '"1"')
    assert answer.headers["Cache-Control"] == "max-age=5"

    answers["/products/1"] = empty(204)
    client.request("DELETE", "/products/1", headers=token)
    answer = client.getresponse()
    assert (answer.status, answer.read()) == (204, b"")
    assert not {"Content-Length", "Content-Type", "Transfer-Encoding"} & set(answer.headers)

    order["/orders/1"] = empty(200, ("Content-Length", "12345"), ("ETag", '"1"'))
    client.request("HEAD", "/orders/1", headers=token)
    answer = client.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    assert answer.headers["Content-Length"] == "12345"

    client.request("GET", "/products")  # the connection is still in step
    assert client.getresponse().status == 200
    client.close()


def test_services_do_not_speak_for_the_gateway(
    client: FlaskClient, services: dict[str, Service]
) -> None:
    services["products"].answers["/products"] = lambda handler: handler.tell(
        {}, Access_Control_Allow_Origin="*", X_Request_Id="theirs"
    )
    answer = client.get("/products")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "BaseHTTP" not in answer.headers.get("Server", "")
    assert answer.headers["X-Request-Id"] != "theirs"


# --- when services fail ---------------------------------------------------------------------------


def assert_problem(answer: Any, status: int) -> None:
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert answer.json["status"] == status
    assert "127.0.0.1" not in answer.text


def test_a_service_that_is_away_is_a_502(make_app: Callable[..., Flask]) -> None:
    assert_problem(make_app(products_url=CLOSED).test_client().get("/products"), 502)
    nowhere = make_app(products_url="http://nowhere.invalid").test_client()
    assert_problem(nowhere.get("/products"), 502)


def hang_up(handler: Handler) -> None:
    handler.close_connection = True


def test_a_service_that_hangs_up_is_a_502(
    client: FlaskClient, services: dict[str, Service], bearer: dict[str, str]
) -> None:
    services["orders"].answers["/orders"] = hang_up
    assert_problem(client.post("/orders", json={}, headers=bearer), 502)
    assert services["orders"].reached == 1  # it may have placed the order: it is not asked twice


def test_a_service_that_speaks_no_http_is_a_502(
    client: FlaskClient, services: dict[str, Service]
) -> None:
    services["products"].answers["/products"] = lambda h: (
        h.wfile.write(b"SMTP ready\r\n") and (hang_up(h))
    )
    assert_problem(client.get("/products"), 502)


@pytest.mark.parametrize("size", [1, 500_000])
def test_an_answer_that_breaks_off_is_a_502(
    client: FlaskClient, services: dict[str, Service], size: int
) -> None:
    services["products"].answers["/products"] = lambda handler: (
        handler.tell("x" * size, Content_Length="1000000") or hang_up(handler)
    )
    assert_problem(client.get("/products"), 502)


def test_a_service_that_stays_silent_is_a_504(
    make_app: Callable[..., Flask], services: dict[str, Service], bearer: dict[str, str]
) -> None:
    done = []
    services["orders"].answers["/orders"] = lambda handler: wait_until(lambda: bool(done))
    client = make_app(upstream_timeout=0.1).test_client()
    assert_problem(client.get("/orders", headers=bearer), 504)
    assert_problem(client.post("/orders", json={}, headers=bearer), 504)
    assert services["orders"].reached == 2
    done.append(True)


def test_a_service_with_too_much_to_do_is_a_503(
    settings: dict[str, Any], services: dict[str, Service]
) -> None:
    done = []
    services["products"].answers["/products"] = lambda handler: (
        wait_until(lambda: bool(done)) or handler.tell({})
    )
    with serving({**settings, "upstream_connections": 1}) as gateway:
        first, second = connect(gateway), connect(gateway)
        first.request("GET", "/products")
        wait_until(lambda: services["products"].reached == 1)
        second.request("GET", "/products/1")
        answer = second.getresponse()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        answer.read()
        done.append(True)
        assert first.getresponse().status == 200
        first.close()
        second.request("GET", "/products/1")
        assert second.getresponse().status == 200
        second.close()


def test_connections_are_kept_and_given_back(
    make_app: Callable[..., Flask], services: dict[str, Service], bearer: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(connections, "IDLE_SECONDS", 60.0)  # this machine may be slow
    client = make_app(upstream_connections=1).test_client()
    before = services["products"].connections
    for _ in range(5):
        assert client.get("/products").status_code == 200
    assert client.post("/products", data=b"x" * 70_000, headers=bearer).status_code == 413
    assert services["products"].connections == before + 1
    services["products"].answers["/products/1"] = hang_up
    assert client.get("/products/1").status_code == 502
    assert client.get("/products").status_code == 200  # none was lost on the way


@pytest.mark.parametrize("limit", ["IDLE_SECONDS", "KEPT_SECONDS"])
def test_a_connection_that_rested_too_long_or_is_too_old_is_not_used_again(
    client: FlaskClient, services: dict[str, Service], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(connections, limit, 0.0)
    before = services["products"].connections
    for _ in range(3):
        assert client.get("/products").status_code == 200
    assert services["products"].connections == before + 3


@pytest.mark.parametrize(
    ("method", "path", "status", "times"),
    [("GET", "/orders/1", 200, 3), ("POST", "/orders", 502, 2), ("PUT", "/products/1", 200, 3)],
)
def test_a_kept_connection_that_was_closed_is_replaced_unless_it_is_a_post(
    client: FlaskClient, services: dict[str, Service], bearer: dict[str, str],
    method: str, path: str, status: int, times: int,
) -> None:  # fmt: skip
    """The service closes a kept connection at the moment when it is used again."""
    service = services[path.split("/")[1]]
    client.open(path, method="GET" if method == "POST" else method, headers=bearer)

    def once(handler: Handler) -> None:
        del service.answers[path]
        hang_up(handler)

    service.answers[path] = once
    body = b"" if method == "GET" else b"{}"
    assert client.open(path, method=method, data=body, headers=bearer).status_code == status
    assert service.reached == times


def test_leaves_a_service_alone_that_has_failed_too_often(
    make_app: Callable[..., Flask], services: dict[str, Service],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    client = make_app(upstream_timeout=0.05).test_client()
    upstream = client.application.extensions["upstreams"]["products"]
    services["products"].answers["/products/1"] = hang_up
    for _ in range(breaker.FAILURES):
        assert_problem(client.get("/products/1"), 502)
    reached = services["products"].reached
    answer = client.get("/products")
    assert_problem(answer, 503)
    assert 1 <= int(answer.headers["Retry-After"]) <= breaker.OPEN_SECONDS
    assert services["products"].reached == reached
    assert client.get("/.well-known/jwks.json").status_code == 200  # only products is left alone
    later = time.monotonic() + breaker.OPEN_SECONDS
    monkeypatch.setattr(upstream._breaker, "_clock", lambda: later)
    assert client.get("/products").status_code == 200
    assert client.get("/products").status_code == 200


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_a_service_that_answers_is_asked_again_whatever_it_says(
    client: FlaskClient, services: dict[str, Service], status: int
) -> None:
    services["products"].answers["/products"] = lambda handler: handler.tell({}, status)
    for _ in range(breaker.FAILURES + 2):
        assert client.get("/products").status_code == status


def test_clients_that_break_off_do_not_count_against_the_service(
    client: FlaskClient, services: dict[str, Service], bearer: dict[str, str]
) -> None:
    for _ in range(breaker.FAILURES + 2):
        longer = {"CONTENT_LENGTH": "10"}
        answer = client.post("/products", data=b"12345", headers=bearer, environ_overrides=longer)
        assert answer.status_code == 400
    assert client.get("/products").status_code == 200


def test_a_service_that_hangs_does_not_keep_the_others_from_being_asked(
    settings: dict[str, Any], services: dict[str, Service]
) -> None:
    """Three times as many as the gateway has threads ask for what hangs."""
    done: list[bool] = []
    services["products"].answers["/products"] = lambda handler: (
        wait_until(lambda: bool(done)) or handler.tell({})
    )
    patient = {**settings, "upstream_timeout": 60}
    with serving(patient) as gateway, ThreadPoolExecutor(96) as clients:

        def ask(path: str) -> int:
            client = connect(gateway)
            client.request("GET", path)
            status = client.getresponse().status
            client.close()
            return status

        hanging = [clients.submit(ask, "/products") for _ in range(96)]
        answered = as_completed(hanging)
        assert {next(answered).result() for _ in range(96 - 16)} == {503}
        assert [ask("/.well-known/jwks.json") for _ in range(10)] == [200] * 10
        wait_until(lambda: services["products"].reached == 16)
        done.append(True)
        assert {asked.result() for asked in answered} == {200}
    assert services["products"].reached == 16  # those who were refused never were
