"""A web process that is told to stop, over real sockets."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

APP = """
import pathlib, time

def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    if name:
        pathlib.Path(name + ".began").touch()
        while not pathlib.Path(name + ".may-end").exists():
            time.sleep(0.01)
    start_response("200 OK", [("Content-Length", "0")])
    return []
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

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.folder, self.callers = folder, []
        (folder / "slow.py").write_text(APP)
        words = ["-k", "orders.chassis.serving.Worker", "--threads", "4", "--keep-alive", "60"]
        words += ["--no-control-socket", "-b", f"127.0.0.1:{self.port}", "slow:app"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *words],
            cwd=folder,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait(self.lets_in)
        first = self.caller()
        first.request("GET", "/")
        assert status_of(first) == 200  # its worker has begun

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


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    web = Web(tmp_path)
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
