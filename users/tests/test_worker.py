"""The worker tells what is kept to be told, to whatever broker there is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kombu import Connection, Exchange, Queue, binding

from conftest import Person, wait_until
from users.models import Session, User
from users.settings import Settings

USERS = str(Path(sys.executable).with_name("users"))


@pytest.fixture(params=["valkey", pytest.param("rabbitmq", marks=pytest.mark.real)])
def broker_url(request: pytest.FixtureRequest) -> str:
    """A broker that is there: each kind in turn."""
    if request.param == "valkey":
        return request.getfixturevalue("cache_url")
    url = os.environ.get("BROKER_URL", "")
    if not url.startswith("amqp"):
        pytest.skip("set BROKER_URL=amqp://… to test on a real RabbitMQ")
    return url


@pytest.fixture
def listener(broker_url: str) -> Iterator[Callable[[], dict | None]]:
    """Somebody who hears all that users tells; gives the next event, or None."""
    exchange = Exchange("shop", "topic", durable=True)
    bindings = [binding(exchange, routing_key=key) for key in ("user.*", "session.*", "sessions.*")]
    queue = Queue(f"test.{uuid.uuid4().hex}", bindings=bindings)
    with Connection(broker_url) as connection, connection.channel() as channel:
        bound = queue(channel)
        bound.declare()

        def hear() -> dict | None:
            message = bound.get(no_ack=True)
            return message and json.loads(message.body)

        yield hear
        bound.delete()


@pytest.fixture
def worker(
    broker_url: str, cache_url: str, settings: Settings, tmp_path: Path
) -> Iterator[subprocess.Popen]:
    environ = os.environ | {
        "MONGO_URL": settings.mongo_url,
        "BROKER_URL": broker_url,
        "CACHE_URL": cache_url,
        "TMPDIR": str(tmp_path),  # where the worker keeps its beat
    }
    with subprocess.Popen([USERS, "worker"], env=environ, stdout=subprocess.DEVNULL) as process:
        process.environ = environ
        yield process
        process.kill()


def test_tells_and_stops_when_it_is_told_to(
    listener: Callable[[], dict | None], worker: subprocess.Popen, person: Callable[..., Person]
) -> None:
    ann = person()
    ann.client.post("/auth/logout", headers=ann.auth)
    heard: list[dict] = []

    def all_of_them() -> bool:
        if event := listener():
            heard.append(event)
        kinds = {"user.registered", "session.ended", "sessions.told"}
        return {event["type"] for event in heard} >= kinds

    wait_until(all_of_them)
    assert {event["data"].get("user_id", ann.id) for event in heard} == {ann.id}
    check = [USERS, "worker", "--check"]
    assert subprocess.run(check, env=worker.environ, stdout=subprocess.DEVNULL).returncode == 0
    sent = {"outbox": {"$elemMatch": {"sent": {"$ne": True}}}}  # on a Redis they go a second time
    wait_until(lambda: not User.objects(__raw__=sent) and not Session.objects(__raw__=sent))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    assert subprocess.run(check, env=worker.environ, stderr=subprocess.DEVNULL).returncode == 1
