"""The commands, as a person in a terminal has them."""

from __future__ import annotations

import json
import os
import time

import pytest
from click.testing import CliRunner, Result

from notifications.app import make_contract
from notifications.chassis import beat
from notifications.chassis.environment import read
from notifications.cli import main
from notifications.settings import Settings


@pytest.fixture
def run(settings, app, monkeypatch):
    """Runs a command with the settings of the tests."""
    for name in ("mongo_url", "broker_url", "cache_url", "jwks_url"):
        monkeypatch.setenv(name.upper(), getattr(settings, name))
    return lambda *words: CliRunner().invoke(main, words)


def test_prints_the_contract_without_any_setting():
    printed = CliRunner().invoke(main, ["contract"])
    assert printed.exit_code == 0
    assert printed.stdout_bytes == make_contract()


def test_tells_whether_a_worker_of_this_host_is_alive(run, tmp_path, monkeypatch):
    monkeypatch.setattr(beat, "FILE", tmp_path / "beat")
    assert run("worker", "--check").exit_code == 1
    beat.beat()
    assert run("worker", "--check").output == "alive\n"
    long_ago = time.time() - beat.STALE_SECONDS - 1
    os.utime(beat.FILE, (long_ago, long_ago))
    assert run("worker", "--check").exit_code == 1
    beat.beat()
    beat.stop()
    assert run("worker", "--check").exit_code == 1


def test_shows_dead_events_and_lets_them_be_tried_again(run, inbox):
    def rows(which: str) -> list[dict]:
        return json.loads(run("events", which, "--json").output)

    inbox.take(b'{"id": "e1", "type": "order.placed", "subject": "o", "data": {}}')
    [parked] = rows("parked")
    assert (parked["id"], parked["attempts"]) == ("e1", 1)
    while inbox.retry_due():
        pass
    assert [row["id"] for row in rows("dead")] == ["e1"]
    assert run("events", "redrive", "e1").output == "1 to be tried again\n"
    assert rows("dead") == []
    assert run("events", "outbox").output == "none\n"
    assert run("events", "redrive").exit_code == 2
    assert run("events", "redrive", "e1", "--all").exit_code == 2


def test_names_the_events_that_cannot_be_tried_again_and_tries_the_others(run, inbox):
    inbox.take(b'{"id": "e1", "type": "order.placed", "subject": "o", "data": {}}')
    ended = run("events", "redrive", "e0", "e1", "e2")
    assert ended.exit_code == 1
    assert ended.stdout == "1 to be tried again\n"
    assert ended.stderr == "Error: neither parked nor dead: e0, e2\n"
    ended = run("events", "redrive", "e0", "e1", "--json")
    assert ended.exit_code == 1
    assert json.loads(ended.stdout) == {"redriven": 1, "unknown": ["e0"]}


def test_lets_all_be_tried_again_the_parked_and_the_dead(run, inbox):
    assert run("events", "redrive", "--all").output == "0 to be tried again\n"
    for n in range(3):
        inbox.take(b'{"id": "e%d", "type": "order.placed", "data": {}}' % n)
    assert run("events", "redrive", "--all").output == "3 to be tried again\n"
    while inbox.retry_due():
        pass
    assert run("events", "redrive", "--all").output == "3 to be tried again\n"
    assert run("events", "dead").output == "none\n"


def test_shows_events_as_a_table(run, inbox):
    inbox.take(b'{"id": "e1", "type": "order.placed", "subject": "o", "data": {}}')
    inbox.take(b'{"id": "a-longer-id", "type": "other", "data": {}}')
    head, *rows = run("events", "parked").output.splitlines()
    assert head.split() == ["id", "type", "attempts", "next", "error"]
    assert {row[: head.index("type")].strip() for row in rows} == {"e1", "a-longer-id"}
    assert {row[head.index("type") :].split()[0] for row in rows} == {"order.placed", "other"}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("JWKS_URL", None, "JWKS_URL is not set: Where users publishes"),
        ("MONGO_URI", "mongodb://x", "MONGO_URI is not a setting"),
        ("RETRY_DELAYS", "soon", "RETRY_DELAYS cannot be read"),
        ("RETRY_DELAYS", "1,nan", "RETRY_DELAYS cannot be read"),
        ("RETRY_DELAYS", "inf", "RETRY_DELAYS cannot be read"),
        ("RETRY_DELAYS", "-1", "RETRY_DELAYS cannot be read"),
        ("LOG_LEVEL", "verbose", "LOG_LEVEL is not one of DEBUG, INFO, WARNING and ERROR"),
        ("METRICS_BIND", "9100", "METRICS_BIND cannot be read as host:port"),
        ("METRICS_BIND", "127.0.0.1:99999", "METRICS_BIND cannot be read as host:port"),
        ("JWKS_URL", "nonsense", "JWKS_URL is not of the form http://"),
        ("JWKS_URL", "http://", "JWKS_URL is not of the form http://"),
        ("CACHE_URL", "foo", "CACHE_URL is not of the form redis://"),
        ("CACHE_URL", "redis://cache:port", "CACHE_URL is not of the form redis://"),
        ("BROKER_URL", "rabbitmq:5672", "BROKER_URL is not of the form amqp://"),
        ("MONGO_URL", "mongo:27017/notifications", "MONGO_URL is not of the form mongodb://"),
        ("MONGO_URL", "mongodb://mongo:27017", "MONGO_URL is not of the form mongodb://"),
        ("MONGO_URL", "mongodb://mongo/?journal=true", "MONGO_URL is not of the form mongodb://"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "collector:4318",
            "OTEL_EXPORTER_OTLP_ENDPOINT is not of the form http://",
        ),
    ],
)
def test_a_wrong_setting_ends_the_start_with_a_sentence(
    run, monkeypatch, name: str, value: str | None, says: str
):
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    ended: Result = run("events", "dead")
    assert ended.exit_code == 2
    assert says in ended.output


def test_a_wrong_setting_is_named_without_the_password_in_it(run, monkeypatch):
    monkeypatch.setenv("MONGO_URL", "mongodb://ann:hunter2@mongo:27017")
    ended: Result = run("events", "dead")
    assert ended.exit_code == 2
    assert "MONGO_URL" in ended.output
    assert "hunter2" not in ended.output


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_LEVEL", "debug"),
        ("METRICS_BIND", "[::1]:9100"),
        ("JWKS_URL", "https://[::1]:8001/.well-known/jwks.json"),
        ("CACHE_URL", "redis://cache"),
        ("CACHE_URL", "rediss://default:p%40ss@cache:6379/0?socket_timeout=1"),
        ("CACHE_URL", "unix:///run/valkey.sock?db=1"),
        ("BROKER_URL", "amqp://shop:pass@a:5672//;amqp://shop:pass@b:5672//"),
        ("MONGO_URL", "mongodb://ann:pass@a:27017,b:27017/notifications?replicaSet=rs0"),
        ("MONGO_URL", "mongodb+srv://cluster.example/notifications"),
        ("RETRY_DELAYS", "0"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example/otlp/"),
    ],
)
def test_other_ways_to_say_a_setting_are_read(name: str, value: str):
    environ = {
        "MONGO_URL": "mongodb://mongo/notifications", "BROKER_URL": "amqp://rabbitmq",
        "CACHE_URL": "redis://cache", "JWKS_URL": "http://users/.well-known/jwks.json",
    }  # fmt: skip
    assert read(Settings, environ | {name: value})
