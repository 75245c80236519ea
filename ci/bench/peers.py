"""Starts what the shop is measured beside: the Express peer, nginx, and a bare Flask view."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import first_run
import stack
from load import Target
from place import ROOT, SERVICES

import node_tools
from real_servers import free_port, stop, wait

EXPRESS = Path(__file__).with_name("express")
CATALOGUE = 44  # products: as many as the shop has, with those of its first start
NGINX = """
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/nginx-errors.log;
events {{ worker_connections 256; }}
http {{
  access_log {folder}/nginx.log;
  keepalive_requests 1000000;
  upstream service {{ server 127.0.0.1:{service}; keepalive 32; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection "";
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Peer:
    """The running peer, with things to ask for."""

    url: str
    token: str
    products: tuple[str, ...]
    orders: tuple[str, ...]
    order_bodies: tuple[str, ...]
    gateway: int  # its process

    def target(self, *paths: str, order_every: int = 0) -> Target:
        return Target(self.url, paths, self.token, order_every, self.order_bodies)


@contextmanager
def process(
    name: str, folder: Path, command: list[str], cwd: Path, environment: dict[str, str]
) -> Iterator[int]:
    """A program that logs to a file, until it is no longer needed; its process id."""
    with (folder / f"{name}.log").open("w") as log:
        told = {**os.environ, **environment}
        running = subprocess.Popen(command, cwd=cwd, env=told, stdout=log, stderr=log)
        try:
            yield running.pid
        finally:
            stop(running)


def answers(url: str) -> bool:
    try:
        with stack.DIRECT.open(url, timeout=2) as answer:
            return answer.status == 200
    except urllib.error.HTTPError:
        return True  # it refuses, and so it runs
    except OSError:
        return False


@contextmanager
def express(run: Path) -> Iterator[Peer]:
    """The peer on the shop's own database servers, Redis and RabbitMQ, in databases of its own."""
    node_tools.install(EXPRESS)
    settings = {name: stack.service_environment(run, name) for name in SERVICES}
    ports = {name: free_port() for name in (*SERVICES, "gateway")}
    common = {
        "NODE_ENV": "production",
        "JWT_SECRET": uuid.uuid4().hex,
        "QUEUE": "peer.order_created",
        "RABBITMQ_URL": settings["orders"]["BROKER_URL"],
        "REDIS_URL": settings["products"]["CACHE_URL"].removesuffix("/0") + "/1",
        **{f"{name.upper()}_URL": f"http://127.0.0.1:{ports[name]}" for name in SERVICES},
    }
    with ExitStack() as stack_of:
        for name, port in ports.items():
            store = urlsplit(settings.get(name, {}).get("MONGO_URL", ""))
            store = store._replace(path=f"/peer_{name}")  # with the same options
            own = {**common, "PORT": str(port), "MONGO_URL": store.geturl()}
            command = ["node", f"{name}.js"]
            pid = stack_of.enter_context(process(f"peer-{name}", run, command, EXPRESS, own))
        for name, port in ports.items():
            wait(f"the peer's {name}", lambda p=port: answers(f"http://127.0.0.1:{p}/health"), 30)
        yield _stocked(f"http://127.0.0.1:{ports['gateway']}", pid)


def _stocked(url: str, gateway: int) -> Peer:
    def ask(path: str, body: dict, token: str = "") -> dict:
        status, answer = first_run.call("POST", f"{url}{path}", body, token)
        if status >= 300:
            raise SystemExit(f"the peer refused POST {path}: {status} {answer}")
        return answer

    login = {"email": f"{uuid.uuid4().hex}@example.com", "password": uuid.uuid4().hex}
    user = ask("/auth/register", {**login, "name": "Customer"})["id"]
    token = ask("/auth/login", login)["token"]
    price = {"amount": 1250, "currency": "EUR"}
    body = {"name": "Mug", "category": "kitchen", "price": price, "stock": 100_000}
    made = [ask("/products", {**body, "sku": f"SKU-{uuid.uuid4()}"}) for _ in range(CATALOGUE)]
    products = tuple(product["_id"] for product in made[:20])
    wanted = [
        {
            "userId": user,
            "items": [{"productId": product, "name": "Mug", "price": 1250, "quantity": 1}],
        }
        for product in products
    ]
    orders = tuple(ask("/orders", order, token)["_id"] for order in wanted)
    bodies = tuple(json.dumps(order) for order in wanted)
    return Peer(url, token, products, orders, bodies, gateway)


@contextmanager
def nginx(run: Path, service: int) -> Iterator[str]:
    """A plain reverse proxy, with connections kept, in front of a service; its address."""
    port = free_port()
    conf = run / "nginx.conf"
    conf.write_text(NGINX.format(folder=run, service=service, port=port))
    with process("nginx", run, ["nginx", "-p", str(run), "-c", str(conf)], run, {}):
        url = f"http://127.0.0.1:{port}"
        wait("nginx", lambda: answers(f"{url}/health/live"), 30)
        yield url


@contextmanager
def floor(run: Path) -> Iterator[tuple[str, int]]:
    """The bare view under the gateway's own gunicorn settings: its address and its process."""
    folder, port = ROOT / "api-gateway", free_port()
    settings = {**stack.service_environment(run, "gateway"), "BIND": f"127.0.0.1:{port}"}
    here = str(Path(__file__).parent)
    command = [".venv/bin/gunicorn", "-c", "gunicorn.conf.py", "--pythonpath", here, "floor:app"]
    with process("floor", run, command, folder, settings) as pid:
        url = f"http://127.0.0.1:{port}"
        wait("the bare view", lambda: answers(f"{url}/"), 30)
        yield url, pid
