"""Runs a command with BROKER_URL and CACHE_URL set to a real RabbitMQ and a real Redis.

They are the servers that these variables name already; else containers; else, for root on a
Debian, its packages, run as processes of this script on free loopback ports. With --mongo,
MONGO_URL (and TEST_MONGO_URL, for the tests of a service) is a MongoDB 8 too, a replica set of one:
always a container, for Debian has none. What was started is stopped again.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

HELP = """no real servers to test on; one of these is needed:
  BROKER_URL=amqp://... CACHE_URL=redis://... make test-real
  a running Docker or Podman
  a Debian or Ubuntu, as root (its rabbitmq-server and redis-server are then installed)"""
MONGO_HELP = """no MongoDB to test on; one of these is needed:
  MONGO_URL=mongodb://... make test-mongo
  a running Docker or Podman"""
POLICY = Path("/usr/sbin/policy-rc.d")
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int, question: bytes, expected: bytes) -> bool:
    """Whether a server on this port answers as it should."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as client:
            client.settimeout(2)
            client.sendall(question)
            return expected in client.recv(100)
    except OSError:
        return False


def wait(name: str, ready: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit(f"{name} did not answer within {seconds:.0f} s")
        time.sleep(0.2)


def urls(rabbitmq: int, redis: int) -> dict[str, str]:
    """Waits for both servers; what the shop has to be told."""
    # An AMQP server answers the protocol header with connection.start: class 10, method 10.
    wait("RabbitMQ", lambda: answers(rabbitmq, b"AMQP\x00\x00\x09\x01", b"\x00\x0a\x00\x0a"))
    wait("Redis", lambda: answers(redis, b"PING\r\n", b"+PONG"))
    return {
        "BROKER_URL": f"amqp://guest:guest@127.0.0.1:{rabbitmq}//",
        "CACHE_URL": f"redis://127.0.0.1:{redis}/0",
    }


def engine() -> str | None:
    """A container engine that runs: its command."""
    for name in ("docker", "podman"):
        if (
            shutil.which(name)
            and not subprocess.run([name, "info"], capture_output=True).returncode
        ):
            return name
    return None


@contextmanager
def containers(command: str) -> Iterator[dict[str, str]]:
    """RabbitMQ 4 and Redis 8, published on free loopback ports."""

    def output(*words: str) -> str:
        return subprocess.run(
            [command, *words], check=True, stdout=subprocess.PIPE, text=True
        ).stdout.strip()

    with ExitStack() as stack:
        ports = []
        for image, port in [("rabbitmq:4-management", 5672), ("redis:8", 6379)]:
            name = output("run", "--detach", "--rm", "--publish", f"127.0.0.1::{port}", image)
            stack.callback(output, "rm", "--force", "--volumes", name)
            ports.append(int(output("port", name, f"{port}/tcp").splitlines()[0].rsplit(":")[-1]))
        yield urls(*ports)


def install_packages() -> None:
    """Debian's packages, without letting them start services of the system."""
    if RABBITMQ.exists() and shutil.which("redis-server"):
        return
    own_policy = not POLICY.exists()
    if own_policy:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        quiet = {"DEBIAN_FRONTEND": "noninteractive", **os.environ}
        for words in (["update"], ["install", "-y", "rabbitmq-server", "redis-server"]):
            print("apt-get", *words, flush=True)
            command = ["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0", *words]
            done = subprocess.run(command, env=quiet, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"apt-get {words[0]} failed:\n{done.stdout}{done.stderr}")
    finally:
        if own_policy:
            POLICY.unlink()


def stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()


@contextmanager
def packages() -> Iterator[dict[str, str]]:
    """Both servers as processes of this script, on loopback, with a folder of their own."""
    install_packages()
    with tempfile.TemporaryDirectory(prefix="shop-real-") as folder, ExitStack() as stack:

        def start(name: str, command: list[str], environment: dict[str, str] | None = None) -> None:
            log = stack.enter_context(Path(folder, f"{name}.log").open("w"))
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, "HOME": folder, **(environment or {})},
                stdout=log,
                stderr=log,
            )
            stack.callback(stop, process)

        redis, rabbitmq, nodes, names = (free_port() for _ in range(4))
        start("redis", ["redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", ""])
        # Erlang's name server: our own, so that none of the system is started or left behind.
        start("epmd", ["epmd", "-port", str(names), "-address", "127.0.0.1"])
        Path(folder, "plugins").write_text("[].\n")
        on_loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
        start(
            "rabbitmq",
            [str(RABBITMQ)],
            {
                "ERL_EPMD_PORT": str(names),
                "RABBITMQ_NODENAME": "shop@localhost",
                "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
                "RABBITMQ_NODE_PORT": str(rabbitmq),
                "RABBITMQ_DIST_PORT": str(nodes),
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": on_loopback,
                "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
                "RABBITMQ_LOG_BASE": f"{folder}/log",
                "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
                "RABBITMQ_CONFIG_FILE": f"{folder}/none",
                "RABBITMQ_CONF_ENV_FILE": f"{folder}/none",
            },
        )
        yield urls(rabbitmq, redis)


@contextmanager
def mongo() -> Iterator[dict[str, str]]:
    """MongoDB 8 in a container, as the replica set that production has."""
    if given := os.environ.get("MONGO_URL"):
        print("MongoDB: that of MONGO_URL", flush=True)
        yield {"TEST_MONGO_URL": given}
        return
    if not (command := engine()):
        raise SystemExit(MONGO_HELP)
    print(f"MongoDB: a container of {command}", flush=True)
    # The same port inside and outside: a member of a replica set is called by its own address.
    port = free_port()
    # The chaos lets it refuse writes, which only a server under test may be told.
    words = ["--replSet", "rs0", "--port", str(port), "--setParameter", "enableTestCommands=1"]
    run = [command, "run", "--detach", "--publish", f"127.0.0.1:{port}:{port}", "mongo:8", *words]
    name = subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    members = f"{{_id: 'rs0', members: [{{_id: 0, host: '127.0.0.1:{port}'}}]}}"
    begin = f"try {{ rs.status().ok }} catch {{ rs.initiate({members}) }}"

    def is_primary() -> bool:
        shell = [command, "exec", name, "mongosh", "--quiet", "--port", str(port), "--eval"]
        ask = [*shell, f"{begin}; db.hello().isWritablePrimary"]
        return "true" in subprocess.run(ask, capture_output=True, text=True).stdout

    try:
        wait("MongoDB", is_primary)
        url = f"mongodb://127.0.0.1:{port}"
        yield {"MONGO_URL": url, "TEST_MONGO_URL": url}
    finally:
        remove = [command, "rm", "--force", "--volumes", name]
        subprocess.run(remove, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    if os.environ.get("BROKER_URL"):
        print("real servers: those of BROKER_URL and CACHE_URL", flush=True)
        yield {}
    elif command := engine():
        print(f"real servers: containers of {command}", flush=True)
        with containers(command) as found:
            yield found
    elif os.geteuid() == 0 and shutil.which("apt-get"):
        print("real servers: Debian's packages", flush=True)
        with packages() as found:
            yield found
    else:
        raise SystemExit(HELP)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mongo", action="store_true", help="and MONGO_URL to MongoDB 8")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run, with its words")
    options = parser.parse_args()
    if not options.command:
        parser.error("say what to run")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `with` stops the servers
    with servers() as found, mongo() if options.mongo else nullcontext({}) as more:
        return subprocess.run(options.command, env={**os.environ, **found, **more}).returncode


if __name__ == "__main__":
    sys.exit(main())
