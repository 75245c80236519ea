"""The gateway in front of toy services that answer as they are told and remember what they saw."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from flask.testing import FlaskClient

from gateway.app import create_app
from gateway.contract import SERVICES
from gateway.settings import Settings

HERE = Path(__file__).parent
KEY = rsa.generate_private_key(65537, 2048)
CLOSED = "http://127.0.0.1:1"  # nobody listens there
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Tells what it was asked, unless the test told the service to answer otherwise."""

    protocol_version = "HTTP/1.1"
    server: Service

    def answer(self) -> None:
        self.server.reached += 1
        digest, size = hashlib.sha256(), 0
        for piece in self.pieces():
            digest.update(piece)
            size += len(piece)
        seen = {
            "service": self.server.name,
            "method": self.command,
            "target": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "size": size,
            "sha256": digest.hexdigest(),
        }
        self.server.seen.append(seen)
        self.server.answers.get(self.path.split("?")[0], lambda handler: handler.tell(seen))(self)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def pieces(self) -> Iterator[bytes]:
        """The body, whichever way it is framed; ConnectionError where it breaks off."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline() or b"x", 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left:
            piece = self.rfile.read(min(left, 65536))
            if not piece:
                raise ConnectionError("the body breaks off")
            left -= len(piece)
            yield piece

    def tell(self, value: Any, status: int = 200, **headers: str) -> None:
        """Answer with JSON."""
        body = json.dumps(value).encode()
        self.send_response(status)
        headers = {"Content_Type": "application/json", "Content_Length": str(len(body)), **headers}
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Service(ThreadingHTTPServer):
    """A toy service. `answers` says how to answer a path; `seen` are whole requests."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.name = name
        self.answers: dict[str, Answer] = {}
        self.seen: list[dict[str, Any]] = []
        self.reached = 0  # also by requests whose body broke off
        self.connections = 0
        self.url = f"http://127.0.0.1:{self.server_port}"

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()

    def handle_error(self, *_: object) -> None:
        pass  # bodies that break off are part of the tests


@pytest.fixture(scope="session")
def _running() -> Iterator[dict[str, Service]]:
    running = {name: Service(name) for name in SERVICES}
    threads = [Thread(target=s.serve_forever, args=(0.01,)) for s in running.values()]
    for thread in threads:
        thread.start()
    yield running
    for service, thread in zip(running.values(), threads, strict=True):
        service.shutdown()
        thread.join()
        service.server_close()


@pytest.fixture
def services(_running: dict[str, Service]) -> dict[str, Service]:
    """The four toy services, as new."""
    for service in _running.values():
        service.seen.clear()
        service.answers.clear()
        service.reached = 0
        health = {"status": "ok", "checks": {"worker": {"status": "ok", "detail": "seen 1 s ago"}}}
        service.answers["/health/ready"] = lambda handler, health=health: handler.tell(health)
    _running["users"].answers["/.well-known/jwks.json"] = publish_keys
    return _running


def publish_keys(handler: Handler) -> None:
    public = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    handler.tell({"keys": [{**public, "kid": "k1", "use": "sig", "alg": "RS256"}]})


@pytest.fixture(scope="session")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of empty contracts: only tests/test_contract.py is about the real ones."""
    folder = tmp_path_factory.mktemp("contracts")
    for name in (*SERVICES, "api-gateway"):
        (folder / f"{name}.openapi.json").write_text(json.dumps({"info": {"title": name}}))
    return folder


@pytest.fixture(scope="session")
def settings(_running: dict[str, Service], contracts: Path) -> dict[str, Any]:
    """Settings to start from; nothing is counted in Redis."""
    return {
        **{f"{name}_url": service.url for name, service in _running.items()},
        "jwks_url": f"{_running['users'].url}/.well-known/jwks.json",
        "cache_url": "memory://",
        "rate_limit": "100000/minute",
        "contracts_dir": str(contracts),
        "log_level": "WARNING",
    }


@pytest.fixture
def make_app(
    settings: dict[str, Any], services: dict[str, Service]
) -> Iterator[Callable[..., Flask]]:
    """Makes gateways with some settings changed, to be called in this process."""
    made = []

    def make(**changed: Any) -> Flask:
        made.append(create_app(Settings(**{**settings, **changed})))
        return made[-1]

    yield make
    for app in made:
        for upstream in app.extensions["upstreams"].values():
            upstream.close()


@pytest.fixture
def client(make_app: Callable[..., Flask]) -> FlaskClient:
    return make_app().test_client()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextlib.contextmanager
def serving(settings: dict[str, Any]) -> Iterator[str]:
    """The URL of a gateway under gunicorn, as in life."""
    bind = f"127.0.0.1:{free_port()}"
    program = Path(sys.executable).with_name("gunicorn")
    command = [program, "-c", "gunicorn.conf.py", "gateway.app:create_app()"]
    environ = {"PATH": os.environ["PATH"], "BIND": bind}
    environ |= {name.upper(): str(value) for name, value in settings.items()}
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(
            command, env=environ, cwd=HERE.parent, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        for _ in range(1000):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{bind}/health/live").close()
                break
            time.sleep(0.02)
            if process.poll() is not None:
                output.seek(0)
                raise AssertionError(output.read())
        try:
            yield f"http://{bind}"
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def _gateway(settings: dict[str, Any]) -> Iterator[str]:
    with serving(settings) as url:
        yield url


@pytest.fixture
def gateway(_gateway: str, services: dict[str, Service]) -> str:
    """The URL of a gateway in front of `services`."""
    return _gateway


def make_token(key: Any = KEY, kid: str | None = "k1", algorithm: str = "RS256", **claims) -> str:
    """An access token as users makes them; claims can be changed, or left out with None."""
    moment = int(time.time())
    payload = {
        "iss": "shop", "aud": "shop", "sub": "ann", "iat": moment, "nbf": moment,
        "exp": moment + 900, "jti": str(uuid.uuid4()), "sid": str(uuid.uuid4()), "ver": 1,
        "type": "access", "fresh": False, "roles": ["customer"], **claims,
    }  # fmt: skip
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, key, algorithm, headers={"kid": kid} if kid else None)


@pytest.fixture(scope="session")
def bearer() -> dict[str, str]:
    """The headers of a request by somebody who logged in."""
    return {"Authorization": f"Bearer {make_token()}"}
