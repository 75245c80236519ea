"""A web process over real sockets: how it stops, whose turn it is, and how its answers leave."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

APP = """
import itertools, os, pathlib, time

count = itertools.count(1)

def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    if name:
        pathlib.Path(name + ".began").touch()
        while not pathlib.Path(name + ".may-end").exists():
            time.sleep(0.01)
    body = bytes(8_000_000) if name == "much" else b"ok"
    told = [("Content-Length", str(len(body)))]
    told += [("Worker", str(os.getpid())), ("Served", str(next(count)))]
    start_response("200 OK", told)
    return [body]
"""
CONF = """
from orders.chassis import serving_greenlets

serving_greenlets.PIECE_SECONDS = 0.5
"""


def status_of(caller: http.client.HTTPConnection) -> int:
    with caller.getresponse() as answer:
        answer.read()
        return answer.status


def wait(until: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not until():
        assert time.monotonic() < deadline, "it has not come to that"
        time.sleep(0.01)


class Web:
    """A gunicorn of ours, with an app whose requests last as long as they are let."""

    def __init__(self, folder: Path, kind: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.folder, self.callers = folder, []
        (folder / "slow.py").write_text(APP)
        (folder / "conf.py").write_text(CONF)
        words = ["-k", f"orders.chassis.serving_{kind}.Worker", "--threads", "4"]
        words += ["--keep-alive", "90", "--graceful-timeout", "90", "--no-control-socket"]
        words += ["-c", "conf.py", "-b", f"127.0.0.1:{self.port}", "slow:app"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *words],
            cwd=folder,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait(self.lets_in)
        first = self.caller()
        first.request("GET", "/")
        with first.getresponse() as answer:  # its worker has begun
            assert answer.status == 200
            self.worker = int(answer.headers["Worker"])

    def lets_in(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except ConnectionRefusedError:
            return False
        return True

    def caller(self) -> http.client.HTTPConnection:
        caller = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self.callers.append(caller)
        return caller

    def tell_all(self, *numbers: signal.Signals) -> None:
        """A signal to gunicorn and to its worker."""
        for number in numbers:
            os.killpg(self.process.pid, number)

    def close(self) -> None:
        for caller in self.callers:
            caller.close()
        if self.process.poll() is None:
            self.tell_all(signal.SIGKILL)
        self.process.wait()


@pytest.fixture(params=["threads", "greenlets"])
def web(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Web]:
    web = Web(tmp_path, request.param)
    yield web
    web.close()


def test_who_comes_late_is_refused_while_others_are_still_served(web: Web) -> None:
    inside, kept = web.caller(), web.caller()
    kept.request("GET", "/")
    assert status_of(kept) == 200
    inside.request("GET", "/long")
    wait((web.folder / "long.began").exists)
    web.process.send_signal(signal.SIGTERM)
    wait(lambda: not web.lets_in())
    assert web.process.poll() is None
    kept.request("GET", "/")  # it did not know
    with kept.getresponse() as answer:
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
    (web.folder / "long.may-end").touch()
    assert status_of(inside) == 200
    assert web.process.wait(30) == 0


def test_who_is_connected_already_is_let_in(web: Web) -> None:
    callers = [web.caller() for _ in range(8)]
    web.tell_all(signal.SIGSTOP)
    for number, caller in enumerate(callers):
        caller.request("GET", f"/{number}")
    web.tell_all(signal.SIGTERM, signal.SIGCONT)
    for number, caller in enumerate(callers):
        (web.folder / f"{number}.may-end").touch()
        assert status_of(caller) == 200
    assert web.process.wait(30) == 0


def test_a_worker_alone_that_is_told_to_stop_serves_who_is_inside(web: Web) -> None:
    inside = web.caller()
    inside.request("GET", "/long")
    wait((web.folder / "long.began").exists)
    os.kill(web.worker, signal.SIGTERM)
    other = web.caller()
    other.request("GET", "/")
    (web.folder / "long.may-end").touch()
    assert status_of(inside) == 200
    assert status_of(other) == 200  # by the one or by the next, since gunicorn itself goes on


def test_nobody_is_waited_for_who_asks_nothing(web: Web) -> None:
    kept, silent = web.caller(), web.caller()
    kept.request("GET", "/")
    assert status_of(kept) == 200
    silent.connect()
    web.process.send_signal(signal.SIGTERM)
    assert web.process.wait(60) == 0  # long before the minute and a half that each may take
    for caller in (kept, silent):
        assert caller.sock.recv(1) == b""  # ended, and not broken off


def test_who_asks_on_and_on_keeps_nobody_waiting(web: Web) -> None:
    busy, other = web.caller(), web.caller()
    web.tell_all(signal.SIGSTOP)
    busy.connect()
    busy.sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 500)
    other.request("GET", "/")
    web.tell_all(signal.SIGCONT)
    with other.getresponse() as answer:
        assert int(answer.headers["Served"]) < 500


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of the packets that came")
@pytest.mark.parametrize("web", ["greenlets"], indirect=True)
def test_head_and_body_leave_together(web: Web) -> None:
    caller = web.caller()
    caller.connect()
    for answers in range(1, 6):
        caller.request("GET", "/")
        assert status_of(caller) == 200
        told = caller.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
        assert struct.unpack_from("I", told, 152) == (answers,)  # tcpi_data_segs_in


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the other end")
@pytest.mark.parametrize("web", ["greenlets"], indirect=True)
def test_who_takes_nothing_of_an_answer_is_not_waited_for(web: Web) -> None:
    (web.folder / "much.may-end").touch()
    taker = web.caller()
    taker.request("GET", "/much")
    assert status_of(taker) == 200
    with socket.socket() as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.connect(("127.0.0.1", web.port))
        idle.sendall(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
        wait(lambda: not established(web.port, idle.getsockname()[1]))


def established(*ports: int) -> bool:
    """Whether the server's end of this connection is still there."""
    ends = [f":{port:04X}" for port in ports]
    lines = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(
        mine.endswith(ends[0]) and theirs.endswith(ends[1]) and state == "01"
        for mine, theirs, state in lines
    )
