"""The load that wrk sends is what the rows say it is, and its figures are read."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import load
import pytest

FIGURES = '{"requests": 900, "seconds": 3.0, "p50": 5.5, "p99": 20.25, "errors": 2}'
needs_wrk = pytest.mark.skipif(not shutil.which("wrk"), reason="needs wrk")


class Handler(BaseHTTPRequestHandler):
    """Answers everything, and remembers who asked for what."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.status, server.daemon_threads = [], 200, True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def target(server: ThreadingHTTPServer, order_every: int) -> load.Target:
    url = f"http://127.0.0.1:{server.server_port}"
    return load.Target(url, ("/products/a", "/products/b"), "token-of-ada", order_every, ("{}",))


def test_reads_what_wrk_says_at_its_end() -> None:
    run = load.read(f"Running 3s test\nFIGURES {FIGURES}\n")
    assert (run.rate, run.p99, run.errors) == (300, 20.25, 2)


def test_no_figures_are_no_figures() -> None:
    with pytest.raises(SystemExit, match="unable to connect"):
        load.read("unable to connect to 127.0.0.1:1 Connection refused\n")


@needs_wrk
def test_asks_for_each_path_as_the_customer(server: ThreadingHTTPServer) -> None:
    run = load.run(target(server, order_every=0), 1)
    assert run.requests and not run.errors
    assert {path for _, path, _ in server.asked} == {"/products/a", "/products/b"}
    assert {head["Authorization"] for *_, head in server.asked} == {"Bearer token-of-ada"}


@needs_wrk
def test_one_in_so_many_is_an_order_with_a_key_of_its_own(server: ThreadingHTTPServer) -> None:
    load.run(target(server, order_every=20), 1)
    orders = [head for method, _, head in server.asked if method == "POST"]
    assert len(orders) == pytest.approx(len(server.asked) / 20, abs=load.CONNECTIONS)
    assert len({head["Idempotency-Key"] for head in orders}) == len(orders)
    assert {head["Authorization"] for head in orders} == {"Bearer token-of-ada"}


@needs_wrk
def test_counts_what_is_refused_as_errors(server: ThreadingHTTPServer) -> None:
    server.status = 503
    run = load.run(target(server, order_every=0), 1)
    assert run.errors == run.requests > 0
